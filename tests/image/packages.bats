#!/usr/bin/env bats
# The usr image beside the packages that it was made of: each path, type, mode, owner, group, link target and content is a
# package's, or the definition, the edition's files or a line of made.list explains it. Other people's tools unpack both sides.

load ../lib/image

setup_file() {
	export lists=$BATS_FILE_TMPDIR kernel
	local trees=$BATS_FILE_TMPDIR/trees edition=$ORLOP_EDITIONS/container-linux
	mkdir -p "$trees/packages"
	kernel=$(objcopy -O binary --only-section=.linux "$(image_file .efi)" /dev/stdout | sha256sum | cut -c -64)

	manifest '.packages[].sha256' | while read -r sha256; do
		echo "${XDG_CACHE_HOME:-$HOME/.cache}/orlop/sha256/${sha256:0:2}/$sha256"
	done >"$lists/debs"
	while read -r deb; do echo "${deb##*/}  $deb"; done <"$lists/debs" | sha256sum --check --quiet
	unpack_packages "$trees/packages" "$lists/packages.attributes" <"$lists/debs"
	list_tree "$trees/packages" "$lists/packages.attributes" >"$lists/packages"

	unpack_usr "$(image_file .usr.erofs)" "$trees/image" "$lists/image.attributes"
	list_tree "$trees/image" "$lists/image.attributes" >"$lists/image"
	mv "$trees/image/lib/tmpfiles.d/orlop-var.conf" "$lists/var"
	find "$trees/image/lib/tmpfiles.d" "$trees/image/share/orlop/etc/tmpfiles.d" -name '*.conf' -exec cat {} + >"$lists/tmpfiles"

	find "$edition" \( -name '.*' -o -name '*~' \) -prune -o -printf "$attributes" >"$lists/overlay.attributes"
	list_tree "$edition" "$lists/overlay.attributes" >"$lists/overlay"
	awk -f "$BATS_TEST_DIRNAME/../lib/definition.awk" "$edition.yaml" >"$lists/definition"
	cp "$BATS_TEST_DIRNAME/made.list" "$lists/made"
	rm -rf "$trees"
}

setup() {
	cp "$lists"/{definition,made,overlay,tmpfiles,var,packages,image} "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR"
}

# What nothing explains, from the lists in this folder.
explain() {
	awk -v kernel="$kernel" -f "$BATS_TEST_DIRNAME/../lib/explain.awk" what=definition definition what=made made \
		what=overlay overlay what=tmpfiles tmpfiles what=var var what=package packages what=image image
}

@test "every path of the packages and of the image is explained" {
	[ "$(wc -l <packages)" -gt 5000 ]
	[ "$(wc -l <image)" -gt 2000 ]
	explain
}

# Reads lines "LIST|SED SCRIPT|TEXT", changes the lists, and expects one complaint for each line, with the text in it.
expect_complaints() {
	local list script text count=0
	cat >changes
	while IFS='|' read -r list script text; do
		cp "$list" "$list.before"
		sed -E -i "$script" "$list"
		if cmp -s "$list" "$list.before"; then echo "changes nothing in $list: $script"; return 1; fi
		count=$((count + 1))
	done <changes
	run explain
	echo "$output"
	[ "$status" = 1 ]
	[ "${#lines[@]}" = "$count" ]
	while IFS='|' read -r list script text; do
		[ "$(grep -cF "$text" <<<"$output")" = 1 ] || { echo "unnoticed: $script"; return 1; }
	done <changes
}

@test "each path of the image that is not as it should be is found out" {
	expect_complaints <<-'EOF'
		image|/^bin\/cat\t/s/\t755\t/\t775\t/|usr/bin/cat: is f 0775 0:0
		image|/^bin\/cp\t/s/\t0\t0\t/\t1\t0\t/|usr/bin/cp: is f 0755 1:0
		image|/^bin\/ls\t/s/\t0\t0\t/\t0\t8\t/|usr/bin/ls: is f 0755 0:8
		image|/^bin\/mv\t/s/[0-9a-f]{8}$/01234567/|usr/bin/mv: is f 0755 0:0
		image|/^bin\/rm\t/d|usr/bin/rm: is missing
		image|/^bin\/ln\t/{p;s/ln/lnn/}|usr/bin/lnn: is in no package
		image|/^bin\/id\t/s/.*/bin\/id\tl\t777\t0\t0\tcat/|usr/bin/id: is l 0777 0:0 cat
		image|/^bin\/su\t/s/\t4755\t/\t755\t/|usr/bin/su: is f 0755
		image|/^bin\/mount\t/s/\t755\t/\t4755\t/|usr/bin/mount: is f 4755
		image|/^lib\/systemd\/system\t/s/\t755\t/\t700\t/|usr/lib/systemd/system: is d 0700
		image|/^lib\/tmpfiles.d\t/{p;s/tmpfiles/tmpfolders/}|usr/lib/tmpfolders.d: is in no package
		image|/^sbin\/init\t/s/systemd$/other/|usr/sbin/init: is l 0777 0:0
		image|/^bin\/df\t/{p;s/df/ssh/}|usr/bin/ssh: is there although the definition leaves it out
		image|/\/drivers\/net\/virtio_net.ko\t/d|virtio_net.ko: is missing, and the definition wants the module
		image|/\/fs\/xfs\/xfs.ko\t/s/[0-9a-f]{8}$/01234567/|xfs.ko: is f 0644
		image|/^share\/orlop\/etc\/shadow\t/s/\t640\t/\t644\t/|etc/shadow: is not as made.list says (f 0644
		image|/^share\/orlop\/etc\/hosts\t/s/\tf\t644\t/\td\t755\t/|etc/hosts: is not as made.list says (d 0755
		image|/^share\/orlop\/etc\/issue\t/s/[0-9a-f]{8}$/01234567/|etc/issue: is f 0644
		image|/^share\/orlop\/etc\/profile\t/s/[0-9a-f]{8}$/01234567/|etc/profile: is not as made.list says
		image|/^share\/orlop\/sealed\t/d|usr/share/orlop/sealed: is missing, and the edition has it
		image|/^sbin\/runc\t/s/crun/bash/|usr/sbin/runc: is l 0777 0:0 ../bin/bash
		image|/\/system\/e2scrub_all.timer\tl/s/null/zero/|e2scrub_all.timer: is l 0777
		image|/\/system\/sshd.service\t/s/ssh.service/shh.service/|sshd.service: is not as made.list says
		image|/^lib\/os-release\t/s/\t644\t/\t666\t/|os-release: is f 0666
	EOF
}

@test "what the definition, made.list, the UKI and tmpfiles.d explain is not explained without them" {
	expect_complaints <<-'EOF'
		definition|/^exclude\tusr\/bin\/scp$/d|usr/bin/scp: is missing
		definition|$aexclude\tusr/bin/nothing|"usr/bin/nothing" leaves nothing out
		definition|$akernel.modules\ttcrypt|tcrypt.ko: is missing, and the definition wants the module
		definition|/^setuid\tusr\/bin\/su$/d|usr/bin/su: is f 4755
		made|/^file etc\/hosts /d|etc/hosts: is in no package
		made|$afile etc/nothing 0644 0:0|"file etc/nothing" explains nothing
		var|/ \/var\/local /d|var/local: tmpfiles.d has ""
		var|/ \/var\/backups /s/0755/0777/|var/backups: tmpfiles.d has "d /var/backups 0777
		var|$ad /var/run 0755 0 0 -|var/run: tmpfiles.d has "d /var/run
		packages|/^boot\/vmlinuz/s/[0-9a-f]{8}$/01234567/|is not the kernel of the UKI
		packages|$aopt/x\tf\t644\t0\t0\t|opt/x: is a file outside of /usr and /etc
	EOF
}

@test "the kernel sees the image as fsck.erofs unpacks it" {
	can_be_root || skip "needs root, or sudo without a password"
	mkdir mounted
	as_root mount -t erofs -o loop,ro "$(image_file .usr.erofs)" mounted
	as_root find mounted -printf "$attributes" | LC_ALL=C sort >seen || true
	as_root umount mounted
	LC_ALL=C sort "$lists/image.attributes" | diff - seen
}
