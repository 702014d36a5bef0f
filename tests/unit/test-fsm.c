/* SPDX-License-Identifier: MIT */
/* The table: every cell is there, every state ends, and the rules that keep data safe hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervise/fsm.h"

/* A forgotten cell of the initialiser would read as "go to STARTING". Only a pause leads there. */
static void every_cell_is_written(void **unused)
{
	(void)unused;
	for (int s = FSM_STARTING + 1; s < FSM_STATES; s++) {
		for (int e = 0; e < FSM_EVENTS; e++) {
			struct fsm_step step = fsm_step(s, e);

			if (s == FSM_WAITING && e == FSM_RETRY_DUE)
				continue;
			if (step.next == FSM_STARTING)
				fail_msg("cell [%s][%s] is missing", fsm_state_name(s),
					 fsm_event_name(e));
		}
	}
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

/* Whoever asks, a signal or a command, gets an answer in every state but the last. */
static void requests_are_never_ignored(void **unused)
{
	(void)unused;
	for (int s = 0; s < FSM_ENDED; s++) {
		assert_int_not_equal(fsm_step(s, FSM_DETACH).action, FSM_NOTHING);
		if (s != FSM_LEAVING && s != FSM_DETACHING)
			assert_int_not_equal(fsm_step(s, FSM_TERMINATE).action, FSM_NOTHING);
	}
}

/* A device that others may use is only let go through RELEASE, which looks and flushes. */
static void attached_devices_end_through_release(void **unused)
{
	static const enum fsm_state held[] = {FSM_ATTACHED, FSM_DEGRADED, FSM_LOST,
					      FSM_HEALING,  FSM_REFUSED,  FSM_EXPIRED};

	(void)unused;
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		for (int e = 0; e < FSM_EVENTS; e++) {
			struct fsm_step step = fsm_step(held[i], e);

			if (ends(step.action))
				assert_int_equal(step.action, FSM_END_TAKEN);
		}
	}
	assert_int_equal(fsm_step(FSM_LEAVING, FSM_KEPT).action, FSM_END_LEFT);
	assert_int_equal(fsm_step(FSM_DETACHING, FSM_KEPT).next, FSM_ATTACHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_cell_is_written),
	    cmocka_unit_test(names_are_unique),
	    cmocka_unit_test(ended_is_final_and_only_end_actions_lead_there),
	    cmocka_unit_test(requests_are_never_ignored),
	    cmocka_unit_test(attached_devices_end_through_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
