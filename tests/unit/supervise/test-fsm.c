/* SPDX-License-Identifier: MIT */
/* The table: every row is used, every state can end, and the data safety rules hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervise/fsm.h"

/* A second row for a pair would never be reached, and a row that changes nothing is useless. */
static void every_row_is_an_arrow_of_its_own(void **unused)
{
	unsigned arrows = 0;

	(void)unused;
	for (int s = 0; s < FSM_STATES; s++) {
		for (int e = 0; e < FSM_EVENTS; e++) {
			struct fsm_step step = fsm_step(s, e);

			arrows += (int)step.next != s || step.action != FSM_NOTHING;
			/* Only a pause leads back to the first dial. */
			if (step.next == FSM_STARTING && s != FSM_STARTING)
				assert_true(s == FSM_WAITING && e == FSM_RETRY_DUE);
		}
	}
	assert_int_equal(arrows, fsm_rows());
}

static void names_are_unique(void **unused)
{
	(void)unused;
	for (int a = 0; a < FSM_STATES; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(fsm_state_name(a), fsm_state_name(b));
	for (int a = 0; a < FSM_EVENTS; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(fsm_event_name(a), fsm_event_name(b));
	for (int a = 0; a < FSM_ACTIONS; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(fsm_action_name(a), fsm_action_name(b));
}

static int ends(enum fsm_action action)
{
	return action >= FSM_END_FAILED && action <= FSM_END_TAKEN;
}

static void ended_is_final_and_only_end_actions_lead_there(void **unused)
{
	(void)unused;
	for (int s = 0; s < FSM_STATES; s++) {
		for (int e = 0; e < FSM_EVENTS; e++) {
			struct fsm_step step = fsm_step(s, e);

			if (s == FSM_ENDED) {
				assert_int_equal(step.next, FSM_ENDED);
				assert_int_equal(step.action, FSM_NOTHING);
			} else {
				assert_int_equal(step.next == FSM_ENDED, ends(step.action));
			}
		}
	}
}

/* A signal or a command gets an answer in every state except the last one. */
static void requests_are_never_ignored(void **unused)
{
	(void)unused;
	for (int s = 0; s < FSM_ENDED; s++) {
		assert_int_not_equal(fsm_step(s, FSM_DETACH).action, FSM_NOTHING);
		if (s != FSM_LEAVING && s != FSM_DETACHING)
			assert_int_not_equal(fsm_step(s, FSM_TERMINATE).action, FSM_NOTHING);
	}
}

/* A device that may be in use is detached only by RELEASE, which looks for users and flushes. */
static void attached_devices_end_through_release(void **unused)
{
	static const enum fsm_state held[] = {FSM_ATTACHED, FSM_DEGRADED, FSM_LOST,   FSM_HEALING,
					      FSM_REFUSED,  FSM_HELD,	  FSM_EXPIRED};

	(void)unused;
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		for (int e = 0; e < FSM_EVENTS; e++) {
			struct fsm_step step = fsm_step(held[i], e);

			if (ends(step.action))
				assert_int_equal(step.action, FSM_END_TAKEN);
		}
	}
	assert_int_equal(fsm_step(FSM_LEAVING, FSM_KEPT).action, FSM_END_LEFT);
	assert_int_equal(fsm_step(FSM_LEAVING, FSM_STAY).next, FSM_ATTACHED);
	assert_int_equal(fsm_step(FSM_DETACHING, FSM_KEPT).next, FSM_ATTACHED);
}

/* The states of an attached device with a dead connection. */
static const enum fsm_state hurt[] = {FSM_DEGRADED, FSM_LOST, FSM_HEALING,
				      FSM_REFUSED,  FSM_HELD, FSM_EXPIRED};

/* I/O waits for a server: no action or omission of a server may end that. */
static void io_states_end_by_release_or_taken_only(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(hurt) / sizeof(hurt[0]); i++) {
		enum fsm_state s = hurt[i];

		for (int e = 0; e < FSM_EVENTS; e++) {
			struct fsm_step step = fsm_step(s, e);

			switch (step.next) {
			case FSM_ENDED:
				assert_int_equal(e, FSM_TAKEN);
				assert_int_equal(step.action, FSM_END_TAKEN);
				break;
			case FSM_LEAVING:
				assert_int_equal(e, FSM_TERMINATE);
				assert_int_equal(step.action, FSM_RELEASE);
				break;
			case FSM_DETACHING:
				assert_int_equal(e, FSM_DETACH);
				assert_int_equal(step.action, FSM_RELEASE);
				break;
			case FSM_ATTACHED:
				assert_int_equal(e, FSM_HEALED);
				break;
			case FSM_DEGRADED:
			case FSM_LOST:
			case FSM_HEALING:
			case FSM_REFUSED:
			case FSM_HELD:
			case FSM_EXPIRED:
				break;
			default: /* no way back to a device that is not attached yet */
				fail_msg("%s and %s: %s", fsm_state_name(s), fsm_event_name(e),
					 fsm_state_name(step.next));
			}
		}
		assert_int_equal(fsm_step(s, FSM_TAKEN).next, FSM_ENDED);
		assert_int_equal(fsm_step(s, FSM_TERMINATE).next, FSM_LEAVING);
		assert_int_equal(fsm_step(s, FSM_DETACH).next, FSM_DETACHING);
	}
}

/* Both ways: an expired device fails its I/O, and no other device does. */
static void io_fails_only_when_the_patience_is_over(void **unused)
{
	(void)unused;
	for (int s = 0; s < FSM_STATES; s++) {
		for (int e = 0; e < FSM_EVENTS; e++) {
			struct fsm_step step = fsm_step(s, e);

			if (step.action == FSM_FAIL_IO) {
				assert_int_equal(e, FSM_EXPIRE);
				assert_int_equal(step.next, FSM_EXPIRED);
			}
			if (step.next == FSM_EXPIRED && s != FSM_EXPIRED)
				assert_int_equal(step.action, FSM_FAIL_IO);
		}
	}
	assert_int_equal(fsm_step(FSM_LOST, FSM_EXPIRE).action, FSM_FAIL_IO);
	assert_int_equal(fsm_step(FSM_REFUSED, FSM_EXPIRE).action, FSM_FAIL_IO);
	/* Some connections are alive: I/O goes on, without a time limit. */
	assert_int_equal(fsm_step(FSM_DEGRADED, FSM_EXPIRE).action, FSM_NOTHING);
	/* A new connection waits until the old one has settled. (While the kernel works on it, the
	 * supervisor holds the event back: it decides.) */
	assert_int_equal(fsm_step(FSM_HEALING, FSM_EXPIRE).action, FSM_FAIL_IO);
}

/* The kernel gets a socket only from a connection that was compared, and only while one is dead. */
static void healing_begins_with_a_connection(void **unused)
{
	(void)unused;
	for (int s = 0; s < FSM_STATES; s++) {
		for (int e = 0; e < FSM_EVENTS; e++) {
			struct fsm_step step = fsm_step(s, e);

			if (step.action == FSM_HEAL) {
				assert_int_equal(e, FSM_REDIALLED);
				assert_int_equal(step.next, FSM_HEALING);
			}
			if (step.next == FSM_HEALING && s != FSM_HEALING)
				assert_int_equal(step.action, FSM_HEAL);
		}
	}
}

/* The kernel may take a socket at any time after it was offered one: it always counts. */
static void a_hand_over_counts_whenever_it_ends(void **unused)
{
	(void)unused;
	for (int s = FSM_ATTACHED; s <= FSM_EXPIRED; s++) {
		assert_int_equal(fsm_step(s, FSM_HEALED).next, FSM_ATTACHED);
		assert_int_equal(fsm_step(s, FSM_HEALED).action, FSM_RECOVER);
		assert_int_equal(fsm_step(s, FSM_PART_HEALED).next, FSM_DEGRADED);
		assert_int_equal(fsm_step(s, FSM_PART_HEALED).action, FSM_RECOVER);
		assert_int_equal(fsm_step(s, FSM_NOT_HEALED).next, FSM_LOST);
		assert_int_equal(fsm_step(s, FSM_NOT_HEALED).action, FSM_REDIAL);
	}
}

static void every_waiting_state_leads_back(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(hurt) / sizeof(hurt[0]); i++) {
		enum fsm_state s = hurt[i];

		if (s != FSM_HEALING)
			assert_int_equal(fsm_step(s, FSM_REDIALLED).next, FSM_HEALING);
		/* A wrong server is reported, and the right one is waited for. */
		if (s != FSM_HEALING) {
			assert_int_equal(fsm_step(s, FSM_CHANGED).action, FSM_COMPLAIN);
			assert_int_not_equal(fsm_step(s, FSM_CHANGED).next, FSM_ENDED);
		}
	}
}

/* Another disk: its socket never reaches the kernel, and a device on hold stays on hold. */
static void another_disk_puts_on_hold(void **unused)
{
	(void)unused;
	for (int s = 0; s < FSM_STATES; s++) {
		struct fsm_step step = fsm_step(s, FSM_DIFFERS);

		assert_true(step.action == FSM_HOLD || step.action == FSM_COMPLAIN ||
			    step.action == FSM_NOTHING);
		assert_int_equal((int)step.next != s, step.action == FSM_HOLD);
		for (int e = 0; e < FSM_EVENTS; e++)
			if (fsm_step(s, e).next == FSM_HELD && s != FSM_HELD)
				assert_int_equal(e, FSM_DIFFERS);
	}
	assert_int_equal(fsm_step(FSM_LOST, FSM_DIFFERS).next, FSM_HELD);
	assert_int_equal(fsm_step(FSM_REFUSED, FSM_DIFFERS).next, FSM_HELD);
	/* I/O goes over the others, or fails already. */
	assert_int_equal(fsm_step(FSM_DEGRADED, FSM_DIFFERS).action, FSM_COMPLAIN);
	assert_int_equal(fsm_step(FSM_EXPIRED, FSM_DIFFERS).action, FSM_COMPLAIN);
	/* A refusal would let the dead timeout count again. */
	assert_int_equal(fsm_step(FSM_HELD, FSM_CHANGED).next, FSM_HELD);
}

/* Every state that loses a connection dials another one. */
static void losses_are_dialled_for(void **unused)
{
	(void)unused;
	assert_int_equal(fsm_step(FSM_ATTACHED, FSM_LINK_DEAD).action, FSM_REDIAL);
	assert_int_equal(fsm_step(FSM_ATTACHED, FSM_LINKS_DEAD).action, FSM_REDIAL);
	assert_int_equal(fsm_step(FSM_DEGRADED, FSM_LINKS_DEAD).action, FSM_REDIAL);
	assert_int_equal(fsm_step(FSM_DEGRADED, FSM_LINK_DEAD).action, FSM_REDIAL);
	/* The others may be handed over much later: until then I/O waits for a limited time. */
	assert_int_equal(fsm_step(FSM_HEALING, FSM_LINKS_DEAD).action, FSM_LOSE);
	assert_int_equal(fsm_step(FSM_HEALING, FSM_LINKS_DEAD).next, FSM_HEALING);
	for (int s = 0; s < FSM_STATES; s++) {
		for (int e = 0; e < FSM_EVENTS; e++) {
			struct fsm_step step = fsm_step(s, e);

			if ((step.next == FSM_LOST || step.next == FSM_DEGRADED) &&
			    (int)step.next != s)
				assert_true(step.action == FSM_REDIAL ||
					    step.action == FSM_RECOVER);
		}
	}
}

/* A device that is taken over ends like one that was attached: the kernel has it already. */
static void adopting_touches_nothing(void **unused)
{
	(void)unused;
	assert_int_equal(fsm_step(FSM_ADOPTING, FSM_ADOPTED).next, FSM_ATTACHED);
	assert_int_equal(fsm_step(FSM_ADOPTING, FSM_ADOPTED).action, FSM_ANNOUNCE);
	assert_int_equal(fsm_step(FSM_ADOPTING, FSM_TERMINATE).action, FSM_REMEMBER);
	assert_int_equal(fsm_step(FSM_ADOPTING, FSM_DETACH).action, FSM_BUSY);
	assert_int_equal(fsm_step(FSM_ADOPTING, FSM_KEPT).action, FSM_END_LEFT);
	for (int e = 0; e < FSM_EVENTS; e++)
		assert_int_not_equal(fsm_step(FSM_ADOPTING, e).action, FSM_RELEASE);
}

/* From the offer on nothing is done to the device, and what comes meanwhile is not forgotten. */
static void giving_does_nothing_else(void **unused)
{
	(void)unused;
	for (int s = 0; s < FSM_STATES; s++)
		for (int e = 0; e < FSM_EVENTS; e++)
			if (fsm_step(s, e).next == FSM_GIVING && s != FSM_GIVING)
				assert_true(s == FSM_ATTACHED && e == FSM_GIVE);
	for (int e = 0; e < FSM_EVENTS; e++) {
		struct fsm_step step = fsm_step(FSM_GIVING, e);

		if (e == FSM_GIVEN)
			assert_int_equal(step.action, FSM_END_GIVEN);
		else if (e == FSM_KEPT)
			assert_true(step.next == FSM_ATTACHED && step.action == FSM_KEEP);
		else
			assert_true(step.next == FSM_GIVING &&
				    (step.action == FSM_NOTHING || step.action == FSM_REMEMBER ||
				     step.action == FSM_BUSY));
	}
	assert_int_equal(fsm_step(FSM_GIVING, FSM_TAKEN).action, FSM_REMEMBER);
	assert_int_equal(fsm_step(FSM_GIVING, FSM_TERMINATE).action, FSM_REMEMBER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_row_is_an_arrow_of_its_own),
	    cmocka_unit_test(names_are_unique),
	    cmocka_unit_test(ended_is_final_and_only_end_actions_lead_there),
	    cmocka_unit_test(requests_are_never_ignored),
	    cmocka_unit_test(attached_devices_end_through_release),
	    cmocka_unit_test(io_states_end_by_release_or_taken_only),
	    cmocka_unit_test(io_fails_only_when_the_patience_is_over),
	    cmocka_unit_test(giving_does_nothing_else),
	    cmocka_unit_test(healing_begins_with_a_connection),
	    cmocka_unit_test(a_hand_over_counts_whenever_it_ends),
	    cmocka_unit_test(every_waiting_state_leads_back),
	    cmocka_unit_test(another_disk_puts_on_hold),
	    cmocka_unit_test(losses_are_dialled_for),
	    cmocka_unit_test(adopting_touches_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
