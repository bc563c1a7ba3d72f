#!/usr/bin/env bats
# The usr image beside the tree that Debian's own tools install from the same packages, for the edition's suite and for another
# one: each path, type, mode, owner, group, link, content and extended attribute is the same, or the definition or a line of
# truth.rules explains it. mmdebstrap installs, fsck.erofs unpacks the image, and truth.py compares.

load ../lib/image

setup_file() {
	export edition=$ORLOP_EDITIONS/container-linux work truth=$BATS_TEST_DIRNAME/../lib/truth.py rules=$BATS_TEST_DIRNAME/truth.rules
	choose_mode || skip "needs root, or sudo, or user namespaces for mmdebstrap (the package uidmap, and ids in /etc/subuid)"
	# In a namespace, apt reads the packages as another user.
	work=$(mktemp -d "${TMPDIR:-/tmp}/orlop-truth.XXXXXX")
	chmod 755 "$work"
	python3 "$truth" widen "$edition.yaml" >"$work/widened.yaml"
	prepare trixie "$ORLOP_TEST_OUT"
	build_suite forky
	prepare forky "$work/forky/image"
}

teardown_file() { [ -z "$work" ] || as_owner rm -rf "$work"; }

setup() { cd "$BATS_TEST_TMPDIR" || return; }

# How mmdebstrap is to be called.
choose_mode() {
	export mode
	if can_be_root; then mode=root; elif mmdebstrap --unshare-helper true; then mode=unshare; else return 1; fi
}

as_owner() { if [ "$mode" = root ]; then as_root "$@"; else "$@"; fi; }

# The metadata of a suite, its updates and its security fixes may have expired, where a mirror keeps an old state of them: the
# clock is then set back, for the build alone.
build_suite() { # SUITE
	local out=$work/$1/image date
	mkdir -p "$out"
	until build_image "$1" "$out" 2>"$work/$1/error"; do
		date=$(sed -n 's/.*has expired: it was valid until \([-0-9]* [:0-9]*\) UTC.*/\1/p' "$work/$1/error")
		[ -n "$date" ] || { cat "$work/$1/error" >&2; return 1; }
		date -u -d "$date UTC - 1 hour" +'%F %T' >"$work/$1/clock"
	done
	rm "$out"/*.raw
}

build_image() { # SUITE OUT
	at_clock "$1" "$ORLOP" build container-linux --suite "$1" --quiet --keys "$ORLOP_TEST_KEYS" --output "$2"
}

# Runs a command, where the suite needs it with the clock set back.
at_clock() { # SUITE COMMAND…
	local clock=$work/$1/clock
	shift
	if [ -e "$clock" ]; then TZ=UTC faketime "$(cat "$clock")" "$@"; else "$@"; fi
}

# Makes the listings of both sides: SUITE/there and SUITE/here.
prepare() ( # SUITE IMAGE-FOLDER
	folder=$work/$1
	mkdir -p "$folder"
	ORLOP_TEST_OUT=$2
	manifest . >"$folder/manifest"
	objcopy -O binary --only-section=.linux "$(image_file .efi)" /dev/stdout | sha256sum | cut -c -64 >"$folder/kernel"
	archive_usr "$(image_file .usr.erofs)" "$folder/usr" "$folder/image.tar"
	collect_packages "$1"
	install_packages "$1"
	python3 "$truth" list there "$folder/there.tar" "$rules" >"$folder/there"
	python3 "$truth" list here "$folder/image.tar" "$rules" >"$folder/here"
	rm -rf "$folder"/{there,image}.tar "$folder/debs" "$folder/usr"
)

# Makes an archive of the image's packages, to the byte, and of those that Debian's tools and scripts want besides: what the edition
# would have if nothing was absent, of the metadata that the image was built from.
collect_packages() { # SUITE
	local debs=$work/$1/debs name architecture sha256 url file downloads=()
	mkdir -p "$debs"
	at_clock "$1" "$ORLOP" build "$work/widened.yaml" --suite "$1" --offline --quiet --explain --json |
		jq -r --slurpfile image "$work/$1/manifest" '
			($image[0].packages | map({(.name): .}) | add) as $set
			| ([.packages[] | select($set[.name] | not)] + $image[0].packages)[]
			| "\(.name) \(.architecture) \(.sha256) \(.url // "")"' >"$work/$1/packages"
	while read -r name architecture sha256 url; do
		file=${XDG_CACHE_HOME:-$HOME/.cache}/orlop/sha256/${sha256:0:2}/$sha256
		if [ -e "$file" ]; then
			cp --reflink=auto "$file" "$debs/${name}_$architecture.deb"
		else
			downloads+=("$url" "$debs/${name}_$architecture.deb" "SHA256:$sha256")
		fi
	done <"$work/$1/packages"
	[ ${#downloads[@]} = 0 ] || /usr/lib/apt/apt-helper download-file "${downloads[@]}"
	(
		cd "$debs" || exit
		chmod 644 ./*.deb
		dpkg-scanpackages --multiversion . >Packages
		# By it, apt finds what is essential in the suite.
		printf 'Suite: %s\nCodename: %s\nDate: %s\nSHA256:\n %s %s Packages\n' "$1" "$1" "$(date -uR)" \
			"$(sha256sum <Packages | cut -c -64)" "$(stat -c %s Packages)" >Release
	)
}

install_packages() { # SUITE
	local folder=$work/$1
	# An initrd is nothing that a package has, and takes long.
	as_owner env INITRD=No mmdebstrap --mode="$mode" --variant=essential --format=tar --skip=cleanup --dpkgopt=force-unsafe-io \
		--include="$(cut -d ' ' -f 1 "$folder/packages" | paste -sd ,)" \
		--customize-hook="upload $folder/image.tar /image.tar" \
		--customize-hook="upload $BATS_TEST_DIRNAME/../lib/truth-judge /truth-judge" \
		--customize-hook='chroot "$1" sh /truth-judge' --customize-hook='rm "$1/truth-judge"' \
		"$1" - "deb [trusted=yes] copy://$folder/debs ./" >"$folder/there.tar"
}

# The differences that nothing explains.
compare() { # SUITE [THERE HERE DEFINITION RULES]
	python3 "$truth" compare "$1" "${4:-$edition.yaml}" "${5:-$rules}" "$edition" "$(cat "$work/$1/kernel")" \
		"${2:-$work/$1/there}" "${3:-$work/$1/here}" "$work/$1/manifest"
}

@test "the image is what Debian's tools install of its packages, or it is explained why not" {
	[ "$(jq '.files | length' "$work/trixie/there")" -gt 8000 ]
	[ "$(jq '.files | length' "$work/trixie/here")" -gt 2000 ]
	compare trixie
}

@test "so is an image of the next suite" {
	[ "$(jq '.files | length' "$work/forky/there")" -gt 8000 ]
	[ "$(jq '.files | length' "$work/forky/here")" -gt 2000 ]
	compare forky
}

# Reads lines "LISTING@JQ PROGRAM@TEXT", changes the listings of both sides and what else they are compared by, and expects one
# complaint for each line, with the text in it.
expect_complaints() {
	local file program text count=0
	cat >changes
	cp "$work"/trixie/{there,here} .
	cp "$rules" rules
	cp "$edition.yaml" definition
	while IFS=@ read -r file program text; do
		cp "$file" before
		case $file in
		there | here) jq "$program" before >"$file" ;;
		*) sed -E "$program" before >"$file" ;;
		esac
		if cmp -s "$file" before; then echo "changes nothing in $file: $program"; return 1; fi
		count=$((count + 1))
	done <changes
	run compare trixie there here definition rules
	echo "$output"
	[ "$status" = 1 ]
	while IFS=@ read -r file program text; do
		[ "$(grep -cF -- "$text" <<<"$output")" = 1 ] || { echo "unnoticed, or more than once: $program"; return 1; }
	done <changes
	[ "${#lines[@]}" = "$count" ]
}

@test "each thing in the image that is not as it should be is found out" {
	expect_complaints <<-'EOF'
		here@.files["usr/bin/cat"][1] = "0775"@usr/bin/cat: is f 0775 root:root
		here@.files["usr/bin/cp"][2] = 1@usr/bin/cp: is f 0755 daemon:root
		here@.files["usr/bin/ls"][3] = 8@usr/bin/ls: is f 0755 root:mail
		here@.files["usr/bin/mv"][4] |= "0" * 64@usr/bin/mv: is f 0755 root:root 0000
		here@.files["usr/bin/df"][5]["security.capability"] = "0100"@security.capability=0100
		there@.files["usr/bin/du"][5]["user.note"] = "0100"@usr/bin/du: is f 0755 root:root
		here@del(.files["usr/bin/rm"])@usr/bin/rm: is missing
		here@.files["usr/bin/lnn"] = .files["usr/bin/ln"]@usr/bin/lnn: is only here
		here@.files["usr/lib/extra"] = ["d", "0755", 0, 0, "", {}]@usr/lib/extra: is only here
		here@.files["usr/bin/id"] = ["l", "0777", 0, 0, "cat", {}]@usr/bin/id: is l 0777
		here@.files["usr/bin/su"][1] = "0755"@usr/bin/su: is f 0755
		here@.files["usr/bin/mount"][1] = "4755"@usr/bin/mount: is f 4755
		here@.files["usr/lib/systemd/system"][1] = "0700"@usr/lib/systemd/system: is d 0700
		here@.files["usr/sbin/init"][4] = "../lib/systemd/other"@usr/sbin/init: is l 0777
		here@.files["usr/bin/scp"] = .files["usr/bin/tr"]@usr/bin/scp: is there although the definition leaves it out
		here@.files["usr/bin/pager"][4] = "less"@usr/bin/pager: is l 0777 root:root less
		here@.files["usr/bin/sh"][4] = "zsh"@usr/bin/sh: is l 0777 root:root zsh
		here@.files["etc/localtime"][4] = "../usr/share/zoneinfo/Etc/GMT"@etc/localtime: is l 0777
		here@(.files | keys[] | select(endswith("/virtio_net.ko"))) as $k | del(.files[$k])@virtio_net.ko: is missing, and the definition wants the module
		here@(.files | keys[] | select(endswith("/modules.dep.bin"))) as $k | .files[$k][4] |= "1" * 64@modules.dep.bin: is f 0644
		here@(.texts | keys[] | select(endswith("/modules.symbols"))) as $k | .texts[$k] += "alias symbol:x y\n"@modules.symbols: is f 0644
		here@.files["etc/ld.so.cache"][4] |= "2" * 64@etc/ld.so.cache: is f 0644
		here@.files["etc/shadow"][1] = "0644"@etc/shadow: is f 0644 root:shadow
		here@.texts["etc/passwd"] |= sub("mail:x:8:8:"; "mail:x:8:9:")@etc/passwd: is f 0644
		here@.texts["etc/group"] += "extra:x:500:\n"@etc/group: is f 0644
		here@.texts["etc/gshadow"] |= sub("root:!\\*:"; "root::")@etc/gshadow: is f 0640
		here@.texts["etc/pam.d/common-account"] |= sub("pam_deny"; "pam_permit")@etc/pam.d/common-account: is f 0644
		here@.files["etc/issue"][4] |= "3" * 64@etc/issue: is f 0644
		here@del(.files["usr/share/orlop/sealed"])@usr/share/orlop/sealed: is missing, and the edition has it
		here@.files["usr/sbin/runc"][4] = "../bin/bash"@usr/sbin/runc: is l 0777
		here@.files["usr/lib/sysctl.d/60-container-linux.conf"][4] |= "5" * 64@60-container-linux.conf: is f 0644
		here@.files["usr/lib/sysusers.d/container-linux.conf"][4] |= "6" * 64@sysusers.d/container-linux.conf: is f 0644
		here@del(.files["usr/lib/systemd/system-preset/00-container-linux.preset"])@00-container-linux.preset: is missing
		here@.files["etc/systemd/system/e2scrub_all.timer"][4] = "/dev/zero"@e2scrub_all.timer: is l 0777
		here@.files["etc/systemd/system/sshd.service"][4] = "/usr/lib/systemd/system/shh.service"@system/sshd.service: is l 0777
		here@del(.files["etc/systemd/system/dbus.service"])@etc/systemd/system/dbus.service: is missing
		here@del(.files["etc/systemd/system/local-fs.target.wants/efi.automount"])@efi.automount: is missing, and Debian
		here@.files["etc/systemd/system/default.target"][4] = "/usr/lib/systemd/system/none.target"@default.target: is only here
		here@.files["usr/share/orlop/root.json"][1] = "0600"@usr/share/orlop/root.json: is only here (f 0600
		here@.files["usr/lib/os-release"][1] = "0666"@usr/lib/os-release: is f 0666
		here@.texts["usr/lib/tmpfiles.d/orlop-var.conf"] |= sub("d /var/local .*\n"; "")@var/local: is made None
		here@.texts["usr/lib/tmpfiles.d/orlop-var.conf"] |= sub("/var/backups 0755"; "/var/backups 0777")@var/backups: is made ['d', '0777'
		here@.texts["usr/lib/tmpfiles.d/orlop-var.conf"] += "d /var/nothing 0755 0 0 -\n"@var/nothing: tmpfiles.d makes what nothing has
	EOF
}

@test "what a definition, a rule, the kernel image and a package explain is not explained without them" {
	expect_complaints <<-'EOF'
		definition@/^  - -usr\/bin\/ssh-keyscan$/d@usr/bin/ssh-keyscan: is missing
		definition@s/^exclude:$/&\n  - usr\/bin\/nothing/@"usr/bin/nothing" leaves nothing out
		definition@s/^  modules:$/&\n    - "!virtio_blk"\n    - tcrypt/;s/"!tcrypt"/"!none"/@tcrypt.ko: is missing, and the definition wants the module
		definition@/^  - usr\/bin\/su /d@usr/bin/su: is f 4755
		rules@/^content etc\/hosts /d@etc/hosts: is f 0644
		rules@/^file etc\/locale.conf /d@etc/locale.conf: is only here
		rules@s/^left etc\/modules$/& \nleft etc\/nothing/@"left etc/nothing" explains nothing
		rules@/nfs\/sm statd/s/statd:nogroup/statd:daemon/@var/lib/nfs/sm: is made
		there@(.files | keys[] | select(startswith("boot/vmlinuz-"))) as $k | .files[$k][4] |= "4" * 64@is not the kernel of the kernel image
		there@.files["opt/x"] = ["f", "0644", 0, 0, "", {}]@opt/x: is missing
		there@.owners["usr/bin/perl"] += ["bash"]@usr/bin/perl: is missing
	EOF
}

@test "a listing has the content, the mode, the owners and the extended attributes of an archive's files" {
	listing() { tar --format=pax --mtime=@0 --numeric-owner "$@" -cf archive.tar ./file && python3 "$truth" list there archive.tar "$rules"; }
	echo text >file
	listing --mode=0640 --owner=1 --group=2 '--pax-option=SCHILY.xattr.security.capability:=x' >listing
	[ "$(jq -c '.files.file' listing)" = "[\"f\",\"0640\",1,2,\"$(sha256sum <file | cut -c -64)\",{\"security.capability\":\"78\"}]" ]
}

@test "the kernel sees the image as fsck.erofs unpacks it, and no extended attributes" {
	can_be_root || skip "needs root, or sudo without a password"
	mkdir mounted
	as_root mount -t erofs -o loop,ro "$(image_file .usr.erofs)" mounted
	local result=0
	as_root tar --xattrs --xattrs-include='*' --format=pax --numeric-owner -C mounted -cf mounted.tar . || result=$?
	as_root umount mounted
	[ "$result" = 0 ]
	python3 "$truth" list here mounted.tar "$rules" | jq -S .files >seen
	jq -S .files "$work/trixie/here" | diff - seen
}
