/* SPDX-License-Identifier: MIT */
/* Prints the supervisor's table as a graph: one arrow a line, grouped by state. */
#include <stdio.h>

#include "supervise/fsm.h"

int main(void)
{
	for (int s = 0; s < FSM_STATES; s++) {
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
