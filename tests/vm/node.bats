#!/usr/bin/env bats
# A node that runs: the image started with Secure Boot and a TPM, and what can be seen in it. One machine, started once,
# serves all tests of this file.

load ../lib/image
load ../lib/oci

setup_file() {
	export XDG_RUNTIME_DIR=$BATS_FILE_TMPDIR/run node=node-$$
	mkdir -m 700 "$XDG_RUNTIME_DIR"
	"$ORLOP" vm start "$node" "$(image_file .raw)" --keys "$ORLOP_TEST_KEYS" --cpus 2 --hostname node-under-test
}

teardown_file() {
	"$ORLOP" vm stop --force "$node" || true
}

node() { "$ORLOP" vm exec "$node" "$1"; }

# Succeeds where the guest itself says that the command failed: a machine that does not answer is no denial.
denied() { [ "$(node "if { $1; } >/dev/null; then echo done; else echo denied; fi")" = denied ]; }

pcr() { node "cat /sys/class/tpm/tpm0/pcr-sha256/$1" | tr A-F a-f; }

# bats test_tags=brief
@test "the system is up: running, nothing failed" {
	run node "systemctl is-system-running --wait"
	echo "$output"
	node "systemctl --failed --no-legend --plain"
	[ "$output" = running ]
	[ -z "$(node 'systemctl --failed --no-legend --plain')" ]
	[ "$(node 'systemctl is-active multi-user.target')" = active ]
}

# bats test_tags=brief
@test "Secure Boot is on, out of setup mode, and the kernel is locked down" {
	[ "$(node 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c' | tr -d ' ')" = 1 ]
	[ "$(node 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c' | tr -d ' ')" = 0 ]
	[[ "$(node 'cat /sys/kernel/security/lockdown')" == *'[integrity]'* ]]
}

# bats test_tags=brief
@test "/usr is EROFS on dm-verity with the manifest's root hash and a signature that the kernel checked" {
	[ "$(node 'findmnt -no FSTYPE,SOURCE /usr' | tr -s ' ')" = "erofs /dev/mapper/usr" ]
	table=$(node 'dmsetup table usr')
	[[ "$table" == *" verity "* ]]
	[[ "$table" == *"$(manifest .root_hash)"* ]]
	[[ "$table" == *root_hash_sig_key_desc* ]]
	[[ "$(node 'dmsetup status usr')" == *" V"* ]]
	[ "$(node 'cat /sys/module/dm_verity/parameters/require_signatures')" = Y ]
}

# bats test_tags=brief
@test "PCRs 4, 9, 11 and 12 are the predicted ones" {
	for n in 4 9 11 12; do
		[ "$(pcr $n)" = "$(manifest ".pcrs.sha256[\"$n\"]")" ] || { echo "PCR $n: $(pcr $n), predicted $(manifest ".pcrs.sha256[\"$n\"]")"; false; }
	done
}

# bats test_tags=brief
@test "the kernel's command line is the manifest's" {
	[ "$(node 'cat /proc/cmdline')" = "$(manifest .command_line)" ]
}

@test "credentials reach the node: host name" {
	[ "$(node 'cat /proc/sys/kernel/hostname')" = node-under-test ]
}

@test "/usr can't be written, nor the boot files as they are mounted" {
	denied 'touch /usr/bin/x 2>/dev/null'
	denied 'mount -o remount,rw /usr 2>/dev/null && touch /usr/bin/x'
	denied 'touch /efi/EFI/Linux/x 2>/dev/null'
	node 'ls /efi/EFI/Linux' | grep -F "orlop_$(manifest .version).efi"
	denied 'dd if=/dev/zero of=/dev/mapper/usr bs=4096 count=1 2>/dev/null'
}

# docs/security.md says so; tamper.bats has what becomes of such files at the next start.
@test "root can write to the boot partition when it says so, and to the empty slot" {
	node 'mount -o remount,rw /efi && echo x >/efi/EFI/Linux/x && rm /efi/EFI/Linux/x && mount -o remount,ro /efi'
	denied 'touch /efi/EFI/Linux/x 2>/dev/null'
	node 'dd if=/dev/zero of="$(readlink -f /dev/disk/by-partlabel/_empty)" bs=4096 count=1 conv=notrunc,fsync 2>/dev/null'
}

@test "what has no place on a node is not there" {
	denied 'command -v apt || command -v dpkg || command -v perl || command -v python3 || command -v gcc'
	[ "$(node 'find /usr -xdev -type f -perm /6000 | sort')" = "$(manifest '.setuid[].path' | sed 's,^,/,' | sort)" ]
}

@test "network: an address, routes, name service, a time service" {
	node 'networkctl status --no-pager' | grep -E 'State: +routable'
	[ "$(node 'systemctl is-active systemd-resolved systemd-timesyncd')" = $'active\nactive' ]
	[[ "$(node 'readlink -f /etc/resolv.conf')" = /run/systemd/resolve/stub-resolv.conf ]]
	# Neither LLMNR (5355) nor multicast DNS (5353).
	node 'ss -Hlnut | grep -F :53'
	denied "ss -Hlnut | grep -E ':535[35] '"
}

@test "the kernel has what a Kubernetes node needs" {
	[ "$(node 'sysctl -n net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables vm.overcommit_memory kernel.panic' | tr '\n' ' ')" = "1 1 1 10 " ]
	node 'modprobe -a overlay br_netfilter ip_vs ip_vs_rr nf_conntrack xt_MASQUERADE vxlan wireguard nft_masq && nft list ruleset >/dev/null && iptables -t nat -L -n >/dev/null'
}

@test "a container runs, prints, and reaches the network through a CNI bridge" {
	make_oci "$BATS_TEST_TMPDIR/busybox.tar" test.orlop/busybox:latest "$(manifest .architecture)"
	"$ORLOP" vm exec "$node" 'ctr image import -' <"$BATS_TEST_TMPDIR/busybox.tar"
	node 'mkdir -p /etc/cni/net.d && cat >/etc/cni/net.d/10-test.conflist <<EOF
{"cniVersion": "0.4.0", "name": "test", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
  "ipam": {"type": "host-local", "subnet": "10.88.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF'
	mkdir "$BATS_TEST_TMPDIR/www"
	echo "from the host's loopback" >"$BATS_TEST_TMPDIR/www/page"
	port=$((20000 + RANDOM % 20000))
	busybox httpd -f -p 127.0.0.1:$port -h "$BATS_TEST_TMPDIR/www" &
	server=$!
	run node "ctr run --rm --cni test.orlop/busybox:latest c1 sh -c 'echo container \$(id -u); wget -qO- http://10.0.2.2:$port/page'"
	kill $server
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"container 0"*"from the host's loopback"* ]]
}

@test "state persists across a restart, and what was written beside it does not" {
	id=$(node 'cat /etc/machine-id')
	[ "${#id}" = 32 ]
	node 'echo kept >/var/lib/kept && echo kept >/etc/kept.conf && echo kept >/root/kept && echo gone >/run/gone && touch /gone; sync'
	boot=$(node 'cat /proc/sys/kernel/random/boot_id')
	node 'systemctl reboot' || true
	for ((i = 0; i < 60; i++)); do
		now=$(timeout 30 "$ORLOP" vm exec "$node" 'cat /proc/sys/kernel/random/boot_id' 2>/dev/null) && [ "$now" != "$boot" ] && break
	done
	[ "$now" != "$boot" ]
	[ "$(node 'cat /var/lib/kept /etc/kept.conf /root/kept' | sort -u)" = kept ]
	[ "$(node 'cat /etc/machine-id')" = "$id" ]
	denied 'test -e /gone || test -e /run/gone'
	[ "$(node 'systemctl is-system-running --wait')" = running ]
	[ "$(pcr 11)" = "$(manifest '.pcrs.sha256["11"]')" ]
}

@test "the state partition fills the disk" {
	size=$(node 'df --output=size -B1 /var | tail -n 1')
	[ "$size" -gt $((600 * 1024 * 1024)) ]
}

# The last one: it damages the machine's own copy of the disk. The text is in a file that nothing else here reads.
@test "what root writes over the slot in use is an error when it is read, never other data" {
	hash=$(manifest .root_hash)
	part=${hash:0:8}-${hash:8:4}-${hash:12:4}-${hash:16:4}-${hash:20:12}
	offset=$(grep -aobF plugins/plugins/meta/tuning/tuning.go "$(image_file .usr.erofs)" | head -n 1 | cut -d: -f1)
	[ -n "$offset" ]
	before=$(node 'sha256sum </usr/lib/cni/ptp')
	node 'cat /usr/lib/cni/tuning >/dev/null'
	node "printf X | dd of=/dev/disk/by-partuuid/$part bs=1 seek=$offset conv=notrunc,fsync 2>/dev/null && echo 3 >/proc/sys/vm/drop_caches"
	denied 'cat /usr/lib/cni/tuning 2>/dev/null'
	[ "$(node 'sha256sum </usr/lib/cni/ptp')" = "$before" ]
}
