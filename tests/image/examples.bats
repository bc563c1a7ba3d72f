#!/usr/bin/env bats
# The examples of docs/examples, each built as its page says and looked at. Packages that container-linux does not have come from
# the mirror.

load ../lib/image

setup() {
	cd "$BATS_TEST_TMPDIR"
	cp -r "$BATS_TEST_DIRNAME/../../docs/examples/$(example)" example
}

# The word behind "example" in the test's description.
example() { sed -n 's/^example \([a-z-]*\):.*/\1/p' <<<"$BATS_TEST_DESCRIPTION"; }

# Builds DEFINITION into out/ and unpacks its /usr into tree/. An example is without entries that do nothing.
build_example() {
	"$ORLOP" build "./example/$1" --keys "$ORLOP_TEST_KEYS" --version 202601.02.3 --output out "${@:2}" 2>told
	! grep -F warning: told || return 1
	fsck.erofs --extract=tree out/*.usr.erofs
}

manifest_of() { jq -er "$1" out/*.manifest.json; }

@test "example own-package: the package, its unit, account and settings are there, and nothing else of its repository" {
	./example/make-repository
	build_example own-package.yaml --lock lock
	cmp example/package/usr/bin/site-beacon tree/bin/site-beacon
	[ "$(manifest_of '.packages[] | select(.name == "site-beacon") | "\(.version) \(.suite)"')" = '1.0 site' ]
	cmp example/files/usr/lib/systemd/system/site-beacon.service tree/lib/systemd/system/site-beacon.service
	[ "$(readlink tree/share/orlop/etc/systemd/system/timers.target.wants/site-beacon.timer)" = /usr/lib/systemd/system/site-beacon.timer ]
	[ ! -e tree/share/orlop/etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service ]
	grep -x 'site-beacon:x:950:950:Reports how the node is doing:/:/usr/sbin/nologin' tree/share/orlop/etc/passwd
	grep -xE 'systemd-journal:x:[0-9]+:site-beacon' tree/share/orlop/etc/group
	grep -x 'vm.swappiness = 10' tree/lib/sysctl.d/60-own-package.conf
	[ "$(grep -c vm.max_map_count tree/lib/sysctl.d/60-own-package.conf)" = 1 ]
	! grep kernel.sysrq tree/lib/sysctl.d/60-own-package.conf || return 1
	# A lock needs the package, and no index of the repository.
	rm -r example/repository/dists
	"$ORLOP" build ./example/own-package.yaml --lock lock --explain --json --quiet |
		jq -e '.packages[] | select(.name == "site-beacon") | .why == "site-beacon" and .suite == "site"'
	# What another key has signed is refused, with the place that names the key.
	rm -r example/gnupg
	cp example/site.asc old.asc
	./example/make-repository
	cp old.asc example/site.asc
	run "$ORLOP" build ./example/own-package.yaml --explain --quiet
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *'own-package.yaml:8: sources: '*'/dists/site/InRelease: signed by '*'site.asc'*'"keyring" in the definition'* ]]
	[[ $output != *--keyring* ]]
	# And a package can't bring what the build makes.
	mkdir example/package/etc
	echo 'root::0:0::/:/bin/sh' >example/package/etc/passwd
	./example/make-repository
	run "$ORLOP" build ./example/own-package.yaml --keys "$ORLOP_TEST_KEYS" --output none --quiet
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *'package site-beacon has /etc/passwd, which the build makes'* ]]
}

# What the stub measures of the kernel image, as docs/formats/measured-boot.md has it, by hand.
pcr_11() {
	local value section digest
	value=$(printf '0%.0s' {1..64})
	for section in .linux .osrel .cmdline .initrd .ucode .uname .sbat; do
		objcopy -O binary --only-section=$section out/*.efi "section$section"
		for digest in "$(printf '%s\0' $section | sha256sum)" "$(sha256sum <"section$section")"; do
			value=$(printf '%s%s' "$value" "${digest%% *}" | tr a-f A-F | basenc --base16 -d | sha256sum | cut -d' ' -f1)
		done
	done
	echo "$value"
}

@test "example bare-metal: drivers have their firmware, and the kernel image the microcode, which is measured" {
	build_example bare-metal.yaml
	local module name asked=0
	for module in nvme ahci e1000e igb ixgbe i40e ice tg3 bnxt_en bnx2x mlx5_core qede megaraid_sas mpt3sas; do
		[ -n "$(find tree/lib/modules -name "$module.ko")" ] || { echo "$module is missing"; return 1; }
	done
	for name in tigon/tg3.bin intel/ice/ddp/ice.pkg rtl_nic/rtl8168h-2.fw; do [ -e "tree/lib/firmware/$name" ]; done
	compgen -G 'tree/lib/firmware/bnx2x/bnx2x-e2-*.fw'
	# As modinfo tells it, nothing is there that no module asks for, but where links lead.
	find tree/lib/modules -name '*.ko' -exec modinfo -F firmware {} + | sort -u >asked
	(cd tree/lib/firmware && find . -type l -exec realpath -m --relative-to=. {} +) >linked
	while read -r name; do
		grep -qxF "$name" asked linked || { echo "nothing asks for $name"; return 1; }
		asked=$((asked + 1))
	done < <(cd tree/lib/firmware && find . -type f -printf '%P\n')
	[ "$asked" -ge 40 ]
	[ ! -e tree/lib/firmware/intel-ucode ]
	ls tree/share/doc/{firmware-bnx2x,intel-microcode,amd64-microcode}/copyright

	objcopy -O binary --only-section=.ucode out/*.efi ucode
	busybox cpio -id <ucode
	[ "$(cd kernel/x86/microcode && ls)" = $'AuthenticAMD.bin\nGenuineIntel.bin' ]
	local intel
	intel=$(find "${XDG_CACHE_HOME:-$HOME/.cache}/orlop/sha256" -name "$(manifest_of '.packages[] | select(.name == "intel-microcode") | .sha256')")
	dpkg-deb --fsys-tarfile "$intel" | tar -xO --wildcards './usr/lib/firmware/intel-ucode/*' | wc -c >size
	[ "$(stat -c %s kernel/x86/microcode/GenuineIntel.bin)" = "$(cat size)" ]
	[ "$(pcr_11)" = "$(manifest_of '.pcrs.sha256_kernel_start["11"]')" ]
	# All of that comes through a folder that somebody else signs.
	"$ORLOP" build ./example/bare-metal.yaml --keys "$ORLOP_TEST_KEYS" --version 202601.02.3 --offline --quiet --sign-later left
	"$ORLOP" keys sign left --keys "$ORLOP_TEST_KEYS" --yes
	"$ORLOP" build --finish left --keys "$ORLOP_TEST_KEYS" --quiet --output finished
	diff -r out finished
}

@test "example bare-metal: there is one for arm64, of packages of that architecture" {
	"$ORLOP" build ./example/bare-metal-arm64.yaml --arch arm64 --explain --json --quiet >explained
	[ "$(jq '[.packages[] | select(.architecture == "arm64")] | length' explained)" -gt 60 ]
	jq -e '[.packages[].architecture] - ["arm64", "all"] == []' explained
	jq -e '[.packages[].name] | any(startswith("firmware-")) and all(. != "intel-microcode" and . != "amd64-microcode")' explained
}

@test "example minimal: /usr has at most 110 MiB, and what a small node needs" {
	build_example minimal.yaml
	[ "$(stat -c %s out/*.usr.erofs)" -le $((110 * 1024 * 1024)) ]
	ls tree/bin/{crun,systemd-nspawn,importctl,orlop-node} tree/sbin/{sshd,nft} tree/lib/systemd/systemd-{networkd,resolved}
	[ ! -e tree/bin/containerd ]
	[ ! -e tree/share/orlop/etc/containerd ]
	[ "$(manifest_of '.packages | length')" -le 125 ]
	"$ORLOP" inspect out/*.raw >/dev/null
}
