#!/bin/bash
# SPDX-License-Identifier: MIT
# The supervisor dies in an outage, and another one after the dead timeout. The next one heals the
# device, and the kernel waits again in the next outage.
# shellcheck source=tests/stub/lib.bash disable=SC2119
. "$(dirname "$0")/../lib.bash"

serve
check "it attaches" attach --dead-timeout 2
load -e
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 state_is lost
kill_supervisor
check "the next one takes it over" attach --dead-timeout 2
check "it says that the server is lost" logged 'is lost \(it was lost while no supervisor ran\): I/O waits'
check "the dead timeout passes" within 10 state_is expired
check "the kernel fails at once" within 5 told_is dead-timeout 0
kill_supervisor
check "one more takes it over" attach --dead-timeout 2
check "the kernel is told to wait again" told_is dead-timeout 2
serve_again
check "it heals" within 15 state_is attached
check "requests no longer time out" within 5 told_is timeout 0
check "the load ends" unload
check "it detaches" detach
finish
