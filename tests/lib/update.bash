# shellcheck shell=bash disable=SC2154
# What the tests of updates share: a machine that starts from a disk that stays changed, and a repository that it can reach. They
# want image.bash and nginx.bash, and $ORLOP_TEST_RELEASES, which tests/vm/build-releases filled.

# machine_start VERSION-NAME: a machine with the disk of that release, and its settings; the repository is at $repository.
machine_start() {
	local raw=("$ORLOP_TEST_RELEASES/releases/$1"/*.raw)
	export XDG_RUNTIME_DIR=$BATS_FILE_TMPDIR/run XDG_DATA_HOME=$BATS_FILE_TMPDIR/data
	export machine=update-$$ disk=$BATS_FILE_TMPDIR/disk.raw
	mkdir -m 700 "$XDG_RUNTIME_DIR"
	copy_image "${raw[0]}" "$disk"
	# shellcheck disable=SC2119
	power_on
}

# shellcheck disable=SC2120 # options that only some want
#
# The TPM and the firmware's variables are new each time, as on a machine that was reset; the disk is what counts.
power_on() { "$ORLOP" vm start "$machine" "$disk" --write --keys "$ORLOP_TEST_KEYS" --cpus 2 --credential "orlop.node=$settings" "$@"; }
power_off() { "$ORLOP" vm stop --force "$machine" || true; }

node() { "$ORLOP" vm exec "$machine" "$1"; }

running() { node '. /usr/lib/os-release; echo $IMAGE_VERSION'; }

# Without KVM, QEMU's firmware comes to a halt once in some dozens of restarts, before it has started a boot loader: in the start of the
# second processor, or waiting for the TPM. Nothing on the disk has changed by then. A machine would be reset by its watchdog.
firmware_hangs() {
	local log=$XDG_RUNTIME_DIR/orlop/vm/$machine/serial.log
	[ -e "$log" ] && [ $(($(date +%s) - $(stat -c %Y "$log"))) -gt 240 ] &&
		tail -c 400 "$log" | sed 's/\x1b\[[0-9;=?]*[A-Za-z]//g' | grep -av '^[[:space:]]*$' | tail -n 1 | grep -aqE 'BdsDxe: loading|reboot: Restarting system|Rebooting in'
}

# Waits until the machine runs VERSION (a pattern), has come to rest, and is well: SECONDS at most.
wait_for() { # VERSION SECONDS
	local end=$((SECONDS + $2)) seen='' state=''
	while [ $SECONDS -lt $end ]; do
		if firmware_hangs; then
			echo "the firmware hangs; the machine is reset" >&2
			end=$((end + 300))
			power_off
			power_on
		fi
		seen=$(timeout 60 "$ORLOP" vm exec "$machine" '. /usr/lib/os-release; echo $IMAGE_VERSION' 2>/dev/null) || seen=
		# shellcheck disable=SC2053 # a pattern
		if [ -n "$seen" ] && [[ $seen == $1 ]]; then
			state=$(timeout 400 "$ORLOP" vm exec "$machine" 'systemctl is-system-running --wait' 2>/dev/null) || true
			[ "$state" != running ] || return 0
		fi
	done
	echo "wanted $1, running; the machine has ${seen:-no answer}, $state" >&2
	return 1
}

# The versions of the boot entries in the order in which they are preferred, with their counters.
entries() { node 'ls /efi/EFI/Linux | sed -n "s/^orlop_\(.*\)\.efi$/\1/p"' | sort; }

# The manifest of a release that was built: manifest_of NAME JQ
manifest_of() { jq -er "$2" "$ORLOP_TEST_RELEASES/releases/$1"/*.manifest.json; }
