/* SPDX-License-Identifier: MIT */
/*
 * Prints the supervisor's table as a graph: one arrow a line, grouped by state. With an argument,
 * one line a state, with the states that may follow.
 */
#include <stdbool.h>
#include <stdio.h>

#include "supervise/fsm.h"

static void followers(int s)
{
	const char *between = "";

	printf("%-12s", fsm_state_name(s));
	for (int to = 0; to < FSM_STATES; to++) {
		bool follows = false;

		for (int e = 0; e < FSM_EVENTS; e++)
			follows |= (int)fsm_step(s, e).next == to && to != s;
		if (follows) {
			printf("%s%s", between, fsm_state_name(to));
			between = ", ";
		}
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	(void)argv;
	for (int s = 0; s < FSM_STATES; s++) {
		if (argc > 1) {
			followers(s);
			continue;
		}
		printf("%s\n", fsm_state_name(s));
		for (int e = 0; e < FSM_EVENTS; e++) {
			struct fsm_step step = fsm_step(s, e);

			if ((int)step.next == s && step.action == FSM_NOTHING)
				continue;
			printf("  %-11s -> %-11s (%s)\n", fsm_event_name(e),
			       fsm_state_name(step.next), fsm_action_name(step.action));
		}
	}
	return 0;
}
