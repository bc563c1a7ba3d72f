#!/usr/bin/env bats
# `orlop vm` without an operating system: its command line, and the life and death of machines whose guest is the
# firmware's own shell, told what to do by a startup.nsh.

bats_require_minimum_version 1.5.0

setup() {
	export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/run XDG_DATA_HOME=$BATS_TEST_TMPDIR/data
	mkdir -m 700 "$XDG_RUNTIME_DIR"
	cd "$BATS_TEST_TMPDIR"
	plain=(--no-secure-boot --no-tpm --accelerator tcg --memory 256M --cpus 1)
}

teardown() {
	local name
	for name in $("$ORLOP" vm list | awk 'NR > 1 { print $1 }'); do "$ORLOP" vm stop --force "$name"; done
}

# wait_for SECONDS COMMAND…: until it succeeds
wait_for() {
	local limit=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$limit" ] || { echo "waited in vain: $*" >&2; return 1; }
		sleep 0.1
	done
}

processes() { pgrep -f -- "$XDG_RUNTIME_DIR/orlop" || [ $? = 1 ]; }
no_process() { [ -z "$(processes)" ]; }
no_folder() { [ -z "$(ls "$XDG_RUNTIME_DIR/orlop/vm")" ]; }
nothing_left() { no_process && no_folder; }
runs() { [ -e "$XDG_RUNTIME_DIR/orlop/vm/$1/state.json" ]; }
supervisor_of() { cat "$XDG_RUNTIME_DIR/orlop/vm/$1/lock"; }

# make_shell_image FILE LINE…: an image whose guest is the firmware's shell, which runs the lines
make_shell_image() {
	local file=$1
	shift
	rm -f esp.img
	truncate -s 40M esp.img
	mkfs.fat -F 32 esp.img >/dev/null
	printf '%s\r\n' '@echo -off' fs0: "$@" >startup.nsh
	mcopy -i esp.img startup.nsh ::
	truncate -s 42M "$file"
	sfdisk -q "$file" <<<'label: gpt
start=1MiB, size=40MiB, type=U'
	dd if=esp.img of="$file" bs=1M seek=1 conv=notrunc,sparse status=none
}

make_blank_image() { truncate -s 4M "$1"; }

@test "every verb has a --help, and the man page has every option" {
	local page=$BATS_TEST_DIRNAME/../../docs/man/orlop-vm.1.scd verb option
	"$ORLOP" vm --help
	for verb in run start exec console reset stop wait list; do
		"$ORLOP" vm "$verb" --help >help
		grep -q "^Usage: orlop vm $verb " help
		"$ORLOP" vm --help | grep -q "^  $verb "
		grep -q "^\*orlop vm $verb\*" "$page"
		for option in $(grep -oE '^ +(-., )?--[a-z-]+' help | grep -oE -- '--[a-z-]+'); do
			grep -q -- "\*$option\*" "$page" || { echo "$verb $option is not in the man page"; return 1; }
		done
	done
}

@test "a wrong command line is status 2 and says why" {
	local case
	make_blank_image blank
	while IFS='|' read -r case text; do
		eval "run \"\$ORLOP\" vm $case"
		echo "$case: $status $output"
		[ "$status" = 2 ]
		[[ $output == *"$text"* ]]
	done <<'CASES'
|a command is missing
fly|unknown command fly
run|arguments are missing
run a b|too many arguments
run blank --fly|unknown option --fly
start my.node blank|"my.node" is no name for a machine
exec my.node true|"my.node" is no name for a machine
console my.node|"my.node" is no name for a machine
reset my.node|"my.node" is no name for a machine
stop my.node|"my.node" is no name for a machine
wait my.node|"my.node" is no name for a machine
run blank --memory much|not a size
run blank --memory 5M|at least 128M
run blank --cpus 0|processors
run blank --port 80|HOST:GUEST
run blank --disk floppy|virtio, scsi, nvme, sata
run blank --format vhd|raw, qcow2
run blank --accelerator warp|auto, kvm, tcg
run blank --credential x|NAME=VALUE
run blank --credential 'a b=c'|printable ASCII
run blank --no-secure-boot --empty-vars|exclude each other
run blank --vars a --keys b|exclude each other
run blank --no-secure-boot --no-tpm --tpm-state x|TPM
run blank --no-secure-boot --write --disk-size 1G|grow
start 1node blank|is no name
start ../node blank|is no name
start node|arguments are missing
exec node|arguments are missing
stop|arguments are missing
list x|too many arguments
CASES
	no_process
}

@test "what is missing is named, and what to install" {
	make_blank_image blank
	: >empty
	run "$ORLOP" vm run "${plain[@]}" no-such-image
	[ "$status" = 1 ]
	[[ $output == *"cannot open the image no-such-image: No such file"* ]]
	run "$ORLOP" vm run "${plain[@]}" empty
	[ "$status" = 1 ]
	[[ $output == *"empty is empty"* ]]
	run "$ORLOP" vm run "${plain[@]}" .
	[ "$status" = 1 ]
	[[ $output == *"neither a file nor a disk"* ]]
	run "$ORLOP" vm run "${plain[@]}" blank --firmware no-such-firmware
	[ "$status" = 1 ]
	[[ $output == *"cannot read the firmware no-such-firmware"* ]]
	run "$ORLOP" vm run blank --no-tpm --accelerator tcg
	[ "$status" = 1 ]
	[[ $output == *"$XDG_DATA_HOME/orlop/keys"* ]]
	run "$ORLOP" vm run blank --no-tpm --accelerator tcg --vars no-such-vars
	[ "$status" = 1 ]
	[[ $output == *"no-such-vars"* ]]
	mkdir bin
	run env PATH="$PWD/bin" "$ORLOP" vm run "${plain[@]}" blank
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"qemu-system-x86"* ]]
	ln -s "$(command -v qemu-system-x86_64)" bin/
	run env PATH="$PWD/bin" "$ORLOP" vm run "${plain[@]}" blank
	[ "$status" = 1 ]
	[[ $output == *"openssh-client"* ]]
	ln -s "$(command -v ssh-keygen)" bin/
	run env PATH="$PWD/bin" "$ORLOP" vm run --no-secure-boot --accelerator tcg blank
	[ "$status" = 1 ]
	[[ $output == *"swtpm"* ]]
	nothing_left
}

@test "machines that do not run are not found" {
	local verb
	for verb in "exec ghost true" "console ghost" "reset ghost" "stop ghost" "wait ghost"; do
		run "$ORLOP" vm $verb
		[ "$status" = 1 ]
		[[ $output == *"no machine ghost runs"* ]]
	done
	[ -z "$("$ORLOP" vm list)" ]
	[ "$("$ORLOP" vm list --json | jq length)" = 0 ]
}

@test "run shows the console until the guest powers off, and leaves the image as it was" {
	make_shell_image image 'echo "written by the guest" > note' 'echo hello-from-the-guest' 'smbiosview -t 11' 'reset -s'
	sha256sum image >before
	timeout 120 "$ORLOP" vm run "${plain[@]}" image --hostname hans --serial-log log </dev/null >console 2>said
	nothing_left
	sha256sum -c before
	grep -q hello-from-the-guest console
	grep -q hello-from-the-guest log
	grep -q "TCG, 1 processors, 256.0 MiB, no Secure Boot, no TPM" said
	# base64 of "hans"; the shell breaks long lines, and may place its cursor between them
	sed 's/\x1b\[[0-9;?=]*[A-Za-z]//g' <log | tr -d '\r\n' >plain
	cat plain
	grep -q 'io.systemd.credential.binary:system.hostname=aGFucw==' plain
	grep -q 'io.systemd.credential.binary:ssh.authorized_keys.root=' plain
}

@test "with --write what the guest writes is in the image" {
	make_shell_image image 'echo "written by the guest" > note' 'reset -s'
	timeout 120 "$ORLOP" vm run "${plain[@]}" image --write </dev/null >console
	nothing_left
	dd if=image of=after.img bs=1M skip=1 count=40 status=none
	mcopy -i after.img ::note note
	tr -d '\0' <note | grep -q "written by the guest"
}

@test "a machine that was started is listed, has a console, and ends when the guest powers off" {
	make_shell_image image
	"$ORLOP" vm start node image "${plain[@]}" --no-wait --port 0:80 --port 0:53/udp
	"$ORLOP" vm list | grep -qE '^node +tcg +1 +256.0 MiB +[0-9]+ +/.*/image \([0-9]+:80/tcp, [0-9]+:53/udp\)$'
	[ "$("$ORLOP" vm list --json | jq -r '.[0] | "\(.name) \(.secure_boot) \(.tpm) \(.ports | length)"')" = "node false false 2" ]
	run "$ORLOP" vm start node image "${plain[@]}" --no-wait
	[ "$status" = 1 ]
	[[ $output == *"a machine node runs already"* ]]
	run "$ORLOP" vm wait node --timeout 1
	[ "$status" = 1 ]
	[[ $output == *"still runs"* ]]
	wait_for 60 grep -aqE 'FS0:|Shell>' "$XDG_RUNTIME_DIR/orlop/vm/node/serial.log"
	# The shell reads its lines only when it has said that it is ready for them.
	wait_for 60 grep -aqE 'FS0:.>' "$XDG_RUNTIME_DIR/orlop/vm/node/serial.log"
	printf 'reset -s\r' | timeout 60 "$ORLOP" vm console node >console
	wait_for 60 nothing_left
	[ -z "$("$ORLOP" vm list)" ]
}

@test "reset starts the guest anew, stop --force ends it, and wait sees that" {
	make_shell_image image 'echo one-more-start'
	"$ORLOP" vm start node image "${plain[@]}" --no-wait --serial-log log
	wait_for 60 grep -aq one-more-start log
	"$ORLOP" vm reset node
	twice() { [ "$(grep -ac '^one-more-start' log)" = 2 ]; }
	wait_for 60 twice
	"$ORLOP" vm wait node --timeout 60 &
	local waiter=$!
	# It waits once it holds the supervisor.
	waits() { readlink "/proc/$waiter"/fd/* | grep -q pidfd; }
	wait_for 60 waits
	"$ORLOP" vm stop --force node
	nothing_left
	wait "$waiter"
}

@test "a guest that has nothing to boot is told from one that is slow" {
	make_blank_image blank
	"$ORLOP" keys init keys
	# With Secure Boot the firmware refuses its own shell, too.
	run timeout 300 "$ORLOP" vm run blank --keys keys --no-tpm --accelerator tcg --memory 256M --exec true
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"does not come up: BdsDxe: No bootable option or device was found"* ]]
	[[ $output == *"last lines of its console"* ]]
	# Firmware that halts the processor at once is as slow as can be.
	head -c 1M /dev/zero | tr '\0' '\364' >halt
	run timeout 120 "$ORLOP" vm run "${plain[@]}" blank --firmware halt --exec true --timeout 2
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"not up after 2 s"* ]]
	nothing_left
}

@test "what QEMU does not accept is told in its words" {
	make_blank_image blank
	"$ORLOP" vm start one blank "${plain[@]}" --no-wait --port 0:80
	local port
	port=$("$ORLOP" vm list --json | jq '.[0].ports[0].host')
	run "$ORLOP" vm start two blank "${plain[@]}" --no-wait --port "$port:80"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"ould not set up host forwarding rule"* ]]
	[ "$("$ORLOP" vm list --json | jq -r '.[].name')" = one ]
	"$ORLOP" vm stop --force one
	nothing_left
}

@test "nothing stays behind when run is interrupted, ended or killed" {
	local signal pid
	make_blank_image blank
	for signal in INT TERM HUP KILL; do
		# Started with SIGINT at its default: a shell lets background jobs ignore it.
		env --default-signal=INT,HUP "$ORLOP" vm run blank --no-secure-boot --accelerator tcg --memory 256M \
			</dev/null >console 2>&1 3>&- &
		pid=$!
		wait_for 30 runs "run-$pid"
		[ "$(processes | wc -l)" -ge 2 ]
		kill -"$signal" "$pid"
		wait "$pid" && return 1
		# Only after SIGKILL somebody else has to notice first.
		[ "$signal" != KILL ] || wait_for 10 nothing_left
		nothing_left
	done
}

@test "when the supervisor is killed nothing runs on, and the next command clears up" {
	make_blank_image blank
	"$ORLOP" vm start node blank --no-secure-boot --accelerator tcg --memory 256M --no-wait
	[ "$(processes | wc -l)" -ge 2 ]
	kill -KILL "$(supervisor_of node)"
	wait_for 10 no_process
	[ -e "$XDG_RUNTIME_DIR/orlop/vm/node" ]
	[ -z "$("$ORLOP" vm list)" ]
	no_folder
	"$ORLOP" vm start node blank "${plain[@]}" --no-wait
	"$ORLOP" vm stop --force node
	nothing_left
}

@test "when QEMU is killed the machine is over" {
	make_blank_image blank
	"$ORLOP" vm start node blank --no-secure-boot --accelerator tcg --memory 256M --no-wait
	kill -KILL "$(pgrep -f -- "^qemu-system.*$XDG_RUNTIME_DIR/orlop")"
	wait_for 10 nothing_left
	run "$ORLOP" vm stop node
	[ "$status" = 1 ]
}

@test "a disk that keeps what is written is started again with the key that it knows" {
	local folder=$XDG_RUNTIME_DIR/orlop/vm/node
	make_blank_image blank
	for number in 1 2; do
		"$ORLOP" vm start node blank "${plain[@]}" --no-wait --write
		cp "$folder/ssh-key" key.$number
		"$ORLOP" vm stop --force node
	done
	cmp key.1 key.2
	cmp key.1 data/orlop/vm-ssh-key
	[ "$(stat -c %a data/orlop/vm-ssh-key)" = 600 ]
	[ "$(ls -A data/orlop)" = vm-ssh-key ]
	# Any other machine has a key that goes with it.
	"$ORLOP" vm start node blank "${plain[@]}" --no-wait
	run ! cmp "$folder/ssh-key" data/orlop/vm-ssh-key
	"$ORLOP" vm stop --force node
	# One that others may read is no key.
	chmod 644 data/orlop/vm-ssh-key
	run -1 "$ORLOP" vm start node blank "${plain[@]}" --no-wait --write
	[[ $output == *vm-ssh-key* ]]
}

@test "credentials are nowhere that other users could read them" {
	make_blank_image blank
	"$ORLOP" vm start node blank "${plain[@]}" --no-wait --credential secret=swordfish
	run grep -raE 'swordfish|c3dvcmRmaXNo' /proc/"$(pgrep -f -- "^qemu-system.*$XDG_RUNTIME_DIR/orlop")"/cmdline
	[ "$status" = 1 ]
	[ "$(stat -c %a "$XDG_RUNTIME_DIR/orlop/vm/node" "$XDG_RUNTIME_DIR/orlop/vm" "$XDG_RUNTIME_DIR/orlop" | sort -u)" = 700 ]
	grep -q c3dvcmRmaXNo "$XDG_RUNTIME_DIR"/orlop/vm/node/credential.*
}

@test "a TPM's state is kept where --tpm-state says" {
	make_shell_image image 'reset -s'
	timeout 120 "$ORLOP" vm run image --no-secure-boot --accelerator tcg --memory 256M --tpm-state tpm </dev/null >console
	[ -s tpm/tpm2-00.permall ]
	nothing_left
}
