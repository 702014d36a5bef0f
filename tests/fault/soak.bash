# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: MIT
# Long: one device of the soak: its options, the faults, and what must hold after them.
# A round on one device of soak.sh. Sourced after lib.bash and net.bash.
#
# A round attaches a device with options drawn from its seed, and then does one random thing after
# another (the functions step_*). Several faults can hold at a time. In a calm phase all of them end:
# then the device must be as it was, and no request may have failed or been lost.

rounds_until=0		# SECONDS: a steady device goes on until then
steady=''		# not empty: its supervisor lives as long as the round
pki=''			# a directory with certificates
watched=(0 0 0 0)	# the supervisor; KiB, descriptors and children in its first calm phase
now_at=(0 0 0)		# the same in the last one
calms=0

# What a device may have more than in its first calm phase: a helper that is being replaced, and a heap
# that has holes.
more_kib=256 more_descriptors=6 more_children=2

# Each draw advances the sequence of the seed. Nothing may be drawn, or not, because of a time.
draw() { # BELOW; sets $drawn
	drawn=$((RANDOM % $1))
}

pick() { # WORD...; sets $picked
	draw $#
	shift "$drawn"
	picked=$1
}

#
# What is attached
#

choose() {
	pick tcp tcp unix
	transport=$picked
	pick nbdkit nbdkit qemu-nbd
	kind=$picked
	pick 1 1 1 2 3
	connections=$picked load_limit=10
	pick plain plain plain plain tls relay managed managed failover captive
	flavour=$picked
	[[ ! $steady || $flavour != managed ]] || flavour=plain
	case $flavour in
	tls) transport=tcp kind=nbdkit ;;
	failover) transport=unix kind=nbdkit ;;
	captive) transport=unix kind=nbdkit connections=1 ;;
	esac
	[[ $transport = tcp ]] && where=10809 || where=$scratch/sock
	options=(-C "$connections")
	# A busy kernel may receive for one connection alone, until a request on another has waited for 30 s:
	# see receivers.sh.
	((connections == 1)) || load_limit=45
	case $flavour in
	tls) options+=(--tls --tls-ca "$pki/ca-cert.pem" --tls-hostname localhost) ;;
	relay) options+=(--relay) ;;
	failover)
		options+=(--failover "nbd+unix:///disk?socket=$spare_where" --fence "$scratch/fence")
		;;
	esac
}

arguments() { # sets $words: the command line that attaches
	case $flavour:$transport in
	captive:*) words=("$device" -- '[' nbdkit file "$image" ']') ;;
	*:unix) words=("${options[@]}" "$device" -u "$where" disk) ;;
	*) words=("${options[@]}" "$device" "$server_host:$where" disk) ;;
	esac
}

serve_first() {
	local more=()
	[[ $kind != qemu-nbd ]] || more=(--shared=0)
	[[ $flavour != tls ]] || more=(--tls=require "--tls-certificates=$pki")
	case $flavour in
	captive) server='' ;;
	failover)
		serve "$kind" "$where" && serve_spare
		;;
	*) serve "$kind" "$where" "${more[@]}" ;;
	esac
}

# The second server of --failover
spare='' spare_where=$scratch/spare.sock

serve_spare() {
	local server='' server_where=$spare_where
	serve_again || return
	spare=$server
	tell_fence
}

# The fence ends the server that it is told about, as a fence must.
tell_fence() {
	printf '%s\n' '#!/bin/sh' "case \$NBD_FAILED_URI in" \
		"*$spare_where*) kill -KILL -$spare ;;" "*) kill -KILL -$server ;;" esac 'exit 0' \
		>"$scratch/fence.new"
	chmod +x "$scratch/fence.new" && mv "$scratch/fence.new" "$scratch/fence"
}

# A supervisor under a service manager, which keeps the sockets
manager='' manager_dir=''

start_manager() {
	manager_dir=$scratch/manager.$seed
	mkdir -p "$manager_dir/stub"
	python3 "$top/tests/stub/manager.py" "$manager_dir" "${nbd_attach[@]}" -n "${words[@]}" \
		>>"$scratch/log" 2>&1 </dev/null &
	manager=$!
	started+=("$manager")
	wait_for 20 test -p "$manager_dir/start"
}

attach_now() { # also takes over what is attached already
	local words=() status n
	arguments
	if [[ $flavour = managed ]]; then
		[[ $manager ]] || start_manager || return
		echo >"$manager_dir/start"
		wait_for 40 supervised "$device"
		return
	fi
	for n in 1 2 3 4 5; do
		nbd_attach "${words[@]}"
		status=$?
		# A helper of a supervisor that was killed may hold its lock a moment longer, and a slow
		# machine may not answer a handshake within its limit.
		((status == 3 || status == 4)) && ! supervised "$device" || break
		pause 0.3
	done
	return "$status"
}

#
# Faults. Each one does nothing where it makes no sense.
#

declare -A fault_on=()

serves() { # the first server runs, and answers
	[[ $server && ! ${fault_on[stopped]:-} ]] && running "$server"
}

step_kill() {
	if [[ $flavour = captive ]]; then
		read_state "$device" CAPTIVE_PID
		((${value:-0} == 0)) || kill -KILL "$value"
		return 0
	fi
	[[ ! $server ]] || ! running "$server" || crash
	unset 'fault_on[stopped]'
}

step_give_back() {
	[[ $flavour = captive ]] || { [[ $server ]] && running "$server"; } && return
	serve_again
	[[ $flavour != failover ]] || tell_fence
}

step_restart() {
	step_kill
	step_give_back
}

step_kill_spare() {
	[[ $flavour = failover ]] && running "$spare" && "$fault" kill 9 "$spare" >/dev/null
	return 0
}

step_give_spare() {
	[[ $flavour = failover ]] && ! running "$spare" && serve_spare
	return 0
}

# A server that is cut off while it is stopped may carry out old writes later: the manual says so. With
# several connections, the kernel ends those that wait for 30 s.
step_stop() {
	serves && ((connections == 1)) && [[ $flavour != relay && ! ${fault_on[cut]:-} ]] || return 0
	stop_server
	fault_on[stopped]=1
}

step_go_on() {
	[[ ${fault_on[stopped]:-} ]] || return 0
	unset 'fault_on[stopped]'
	! running "$server" || cont_server
}

may_cut() {
	[[ $transport = tcp && ! ${fault_on[stopped]:-} ]]
}

step_sever() {
	may_cut || return 0
	sever
	fault_on[cut]=1
}

step_unplug() {
	may_cut || return 0
	unplug
	fault_on[cut]=1
}

step_mend() {
	[[ ${fault_on[cut]:-} ]] || return 0
	plug
	mend
	unset 'fault_on[cut]'
}

step_delay() {
	may_cut && [[ ! ${fault_on[slow]:-} ]] || return 0
	ip netns exec "$router" tc qdisc add dev r2 root netem delay 80ms 40ms loss 2% &&
		fault_on[slow]=1
}

step_hurry_up() {
	[[ ${fault_on[slow]:-} ]] || return 0
	ip netns exec "$router" tc qdisc del dev r2 root
	unset 'fault_on[slow]'
}

# The router drops every RST, in both directions.
step_lose_resets() {
	local interface
	may_cut && [[ ! ${fault_on[no_resets]:-} ]] || return 0
	for interface in r1 r2; do
		ip netns exec "$router" tc qdisc add dev "$interface" clsact &&
			ip netns exec "$router" tc filter add dev "$interface" egress protocol ip u32 \
				match ip protocol 6 0xff match u8 4 4 at 33 action drop || return
	done
	fault_on[no_resets]=1
}

step_let_resets() {
	[[ ${fault_on[no_resets]:-} ]] || return 0
	ip netns exec "$router" tc qdisc del dev r1 clsact
	ip netns exec "$router" tc qdisc del dev r2 clsact
	unset 'fault_on[no_resets]'
}

# The supervisor

step_hurry() {
	! supervised "$device" || kill -HUP "$(supervisor "$device")"
}

step_reload() {
	! supervised "$device" || kill -USR1 "$(supervisor "$device")"
}

end_supervisor() { # SIGNAL
	local held
	[[ ! $steady ]] && supervised "$device" || return 0
	held=$(supervisor "$device")
	kill "-$1" "$held"
	wait_for 30 gone "$held" || return
	attach_now
}

step_kill_supervisor() {
	end_supervisor KILL
}

step_leave() {
	end_supervisor TERM
}

# Another supervisor asks for the device, and gets it or not.
step_succeed() {
	local words=() new status
	[[ ! $steady && $flavour != managed ]] && supervised "$device" || return 0
	arguments
	"${nbd_attach[@]}" -n "${words[@]}" >>"$scratch/successor" 2>&1 </dev/null &
	new=$!
	started+=("$new")
	wait_for 40 in_charge_or_gone "$new"
	running "$new" && [[ $(supervisor "$device") = "$new" ]] && return
	gone "$new" || kill -KILL "$new"
	wait "$new"
	status=$?
	echo "the successor ended with $status"
	[[ $status = 137 || $status = [0134] ]] && wait_for 10 supervised "$device"
}

in_charge_or_gone() { # PID
	gone "$1" || [[ $(supervisor "$device") = "$1" ]]
}

# Commands. They are awaited in the calm phase.
askers=()

ask() { # ARGUMENT...
	timeout -k 2 90 "${nbd_attach[@]}" "$@" >>"$scratch/asked" 2>&1 </dev/null &
	askers+=("$! $1")
	started+=("$!")
}

step_reconnect() {
	ask --reconnect "$device"
}

step_status() {
	ask --status --json "$device"
}

step_detach_in_use() {
	ask --detach "$device"
}

# Only without a fault: if a connection is lost while the kernel changes the size, I/O waits for the dead
# timeout. The load pauses, because a connection is replaced only at a moment without requests.
step_resize() {
	local status
	[[ $kind = nbdkit && $flavour != failover && ! ${fault_on[*]} ]] || return 0
	pause 0.3
	well || return 0
	kill -STOP "$loader"
	pause 0.5
	truncate -s +64K "$image"
	nbd_attach --resize "$device"
	status=$?
	kill -CONT "$loader"
	# It may be refused: connections that an earlier supervisor made cannot be replaced.
	((status < 124))
}

steps=(kill kill kill kill give_back give_back give_back give_back restart restart restart
	kill_spare kill_spare give_spare give_spare stop stop go_on go_on go_on
	sever sever sever unplug mend mend mend mend delay delay hurry_up lose_resets lose_resets
	let_resets hurry reconnect status detach_in_use resize resize kill_supervisor kill_supervisor
	kill_supervisor leave succeed succeed reload reload)

a_step() {
	local name
	pick "${steps[@]}"
	name=$picked
	pick 0 0.1 0.3 0.3 1 1 2 4 8 12
	echo "$((SECONDS - round_began)) s: $name, then $picked s (${!fault_on[*]})"
	"step_$name" || {
		echo "$name fails"
		return 1
	}
	[[ $picked = 0 ]] || pause "$picked"
	running "$loader" || {
		echo "the load has ended"
		return 1
	}
}

#
# The calm phase
#

well() {
	local value
	read_state "$device" STATE
	[[ $value = attached ]] || return
	read_state "$device" CONNECTIONS_ALIVE
	[[ $value = "$connections" ]] && supervised "$device"
}

no_askers() {
	local asker status
	for asker in "${askers[@]}"; do
		wait_for 100 gone "${asker% *}" || return
		wait "${asker% *}"
		status=$?
		if ((status >= 124)) || [[ $asker = *' --detach' && $status = 0 ]]; then
			echo "${asker#* } ended with $status"
			return 1
		fi
	done
	askers=()
}

stays_well() { # nothing is replaced any more
	local n before value
	for n in {1..15}; do
		read_state "$device" RECONNECTS
		before=$value
		pause 1
		read_state "$device" RECONNECTS
		[[ $value != "$before" ]] || ! well || return 0
	done
	return 1
}

load_moves() {
	local size now n
	size=$(stat -c %s "$scratch/load/log")
	for ((n = 0; n < 2 * load_limit + 20; n++)); do
		pause 0.5
		now=$(stat -c %s "$scratch/load/log")
		((now == size)) || return 0
	done
	return 1
}

zombies() { # of the supervisor $1
	local child
	for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do
		process_state "$child"
		[[ $process_state != Z ]] || echo "$child"
	done
}

watch_supervisor() { # memory, descriptors and children must not grow
	local pid name number descriptors children
	pid=$(supervisor "$device")
	while read -r name number _; do
		[[ $name != RssAnon: ]] || now_at[0]=$number
	done <"/proc/$pid/status"
	descriptors=("/proc/$pid/fd/"*)
	children=$(cat "/proc/$pid"/task/*/children | wc -w)
	now_at[1]=${#descriptors[@]} now_at[2]=$children
	if [[ ${watched[0]} != "$pid" ]]; then
		watched=("$pid" "${now_at[@]}")
	fi
	echo "supervisor $pid: ${now_at[0]} KiB, ${now_at[1]} descriptors, ${now_at[2]} children," \
		"first ${watched[*]:1}"
	((now_at[0] <= watched[1] + more_kib && now_at[1] <= watched[2] + more_descriptors &&
		now_at[2] <= watched[3] + more_children)) || return
	wait_for 5 eval '[[ ! $(zombies '"$pid"') ]]'
}

must() { # COMMAND...: says what does not hold
	"$@" && return
	echo "does not hold: $*"
	return 1
}

show_state() {
	echo "state:"
	cat "/run/nbd-attach/$device.state"
	tail -n 20 "$scratch/log" "$scratch/successor" "$scratch/asked" "$manager_dir/stub/log" 2>/dev/null
	tail -n 30 "$scratch/../messages" 2>/dev/null
}

faults_end() {
	step_hurry_up
	step_let_resets
	step_mend
	step_go_on
	step_give_back
	step_give_spare
	supervised "$device" || attach_now
}

calm() {
	echo "$((SECONDS - round_began)) s: calm"
	must faults_end && must wait_for 90 well && must no_askers && must wait_for 30 well &&
		must stays_well && must load_moves && must watch_supervisor || return
	((++calms))
	echo "$((SECONDS - round_began)) s: it is well"
	must unload 60
}

#
# The round
#

round_of() { # SEED
	local n words=()
	seed=$1 round_began=$SECONDS
	RANDOM=$((seed % 32768))
	draw 32768
	RANDOM=$(((drawn + seed / 32768) % 32768))
	choose
	echo "seed $seed: $transport, $kind, $flavour, connections: $connections"
	new_image
	must serve_first && must attach_now && must wait_for 60 well && must load -r 150 -b 4096 || return
	draw 2
	for ((n = 2 + drawn; n > 0 || (${#steady} && SECONDS < rounds_until); n--)); do
		draw 6
		for ((i = 3 + drawn; i > 0; i--)); do
			a_step || return
		done
		calm || return
		pick same same anew
		# Detached and attached again with the same content
		if [[ $picked = anew && ! $steady ]]; then
			must let_go && must attach_now && must wait_for 60 well || return
		fi
		must load -r 150 -b 4096 || return
	done
	must unload 60 && must release_all
}

release_all() {
	local status=0
	let_go || status=1
	end_servers
	return "$status"
}

end_servers() {
	local p
	[[ ! $manager ]] || kill_now "$manager"
	manager=''
	for p in $server $spare; do
		kill -KILL -- "-$p" || kill -KILL "$p"
		wait "$p"
	done 2>/dev/null
	server='' spare=''
}

round() { # SEED
	local status=0
	round_of "$1" || status=1
	if ((status)); then
		show_state
		faults_end
		let_go --force
		end_servers
	fi
	askers=() fault_on=()
	return "$status"
}
