#!/usr/bin/env bats
# What `orlop build` does when it is stopped, when something is missing, damaged or full, and when it is run again
# elsewhere. Most of it builds a small edition.

load ../lib/image
load ../lib/small
load ../lib/debian

setup_file() {
	small_edition "$BATS_FILE_TMPDIR"
	export reference=$BATS_FILE_TMPDIR/reference
	export -f build_small
	build_small --output "$reference"
}

setup() { cd "$BATS_TEST_TMPDIR"; }

# The disk in every format that there is.
build_small() {
	"$ORLOP" build "$edition" --offline --quiet --cache "$cache" --keys "$ORLOP_TEST_KEYS" --version 202601.02.3 \
		--format qcow2,vhd,vhdx "$@"
}

# refused STATUS TEXT OPTION…: the build fails with one line that has the text, and leaves nothing behind.
refused() {
	local want=$1 text=$2
	shift 2
	run build_small --output out "$@"
	echo "$output"
	[ "$status" = "$want" ] && [ "${#lines[@]}" = 1 ] && [[ $output == "orlop: "*"$text"* ]] || return 1
	[ ! -e out ] || [ -z "$(ls -A out)" ]
}

# kill_when SIGNAL PATTERN: starts a build into out/ and sends the signal as soon as its hidden folder has a file like
# that. False where the build was faster.
kill_when() {
	local pid status=0
	# A shell lets background jobs ignore SIGINT.
	env --default-signal=INT "$ORLOP" build "$edition" --offline --quiet --cache "$cache" --keys "$ORLOP_TEST_KEYS" \
		--version 202601.02.3 --format qcow2,vhd --format vhdx --output out 3>&- &
	pid=$!
	# The build itself ends the loop where it ends first.
	until compgen -G "out/.orlop-build-*$2" >/dev/null || [ ! -e "/proc/$pid/cwd" ]; do :; done
	kill -"$1" "$pid" || true
	wait "$pid" || status=$?
	[ $status = $((128 + $(kill -l "$1"))) ]
}

@test "a build that is stopped shows nothing, whenever and however that is" {
	local signal pattern left
	mkdir out
	while read -r signal pattern; do
		echo "$signal at '$pattern'"
		# What is waited for is this build's.
		[ "$signal" = KILL ] || rm -rf out/.orlop-build-*
		# A build that was faster than we are is tried again, and so is one that was showing its outputs, which is brought to its
		# end; of three, one is stopped in time.
		for tries in 1 2 3; do
			if kill_when "$signal" "$pattern" && ! compgen -G 'out/*.manifest.json'; then break; fi
			rm -r out/orlop-*
			[ "$tries" -lt 3 ]
		done
		[ -z "$(find out -mindepth 1 -maxdepth 1 -not -name '.orlop-build-*')" ]
		# One that was asked to end clears away what it has made; otherwise the next one does.
		left=0
		[ "$signal" != KILL ] || left=1
		[ "$(find out -mindepth 1 -maxdepth 1 | wc -l)" = $left ]
	done <<-'END'
		KILL
		KILL
		INT
		KILL /*.usr.erofs
		INT /*.raw
		KILL /*.raw
		KILL /*.qcow2
		INT /*.vhd
		TERM /*.usr.verity
	END
	build_small --output out
	diff -r "$reference" out
}

# on_small_disk SIZE COMMAND…: with the folder disk/ on a file system of that size
on_small_disk() {
	local namespace=(--mount)
	[ "$(id -u)" = 0 ] || namespace+=(--user --map-root-user)
	unshare "${namespace[@]}" true || skip "no mount namespaces here"
	mkdir -p disk
	run unshare "${namespace[@]}" bash -c 'mount -t tmpfs -o size="$1" none disk || exit 99
		shift; "$@"; status=$?; ls -A disk; exit $status' bash "$@"
	echo "$output"
}

@test "a full disk is said so, and nothing is left on it" {
	local size
	# The usr image does not fit; the disk image does not fit beside it; its other formats don't.
	for size in 8M 32M 96M; do
		on_small_disk $size build_small --output disk
		[ "$status" = 1 ]
		[ ${#lines[@]} = 1 ]
		[[ $output == 'orlop: '*': No space left on device' ]]
	done
}

@test "a lock makes another build the same, at another time and without the archive's metadata" {
	build_small --output first --lock small.lock
	cmp "$reference"/*.raw first/*.raw
	[ "$(jq -r '[.version, .architecture, (.packages | length > 1)] | join(" ")' small.lock)" = "202601.02.3 $(dpkg --print-architecture) true" ]
	# No releases, no indexes: packages alone. And no version but the lock's.
	cp -al "$cache" packages
	rm -r packages/release packages/solv
	run build_small --output none --cache packages
	[ "$status" = 1 ]
	faketime -f +400d "$ORLOP" build "$edition" --offline --quiet --cache packages --keys "$ORLOP_TEST_KEYS" --output second --lock small.lock \
		--format raw,vhdx,vhd,qcow2 --threads 1
	[ "$(ls first)" = "$(ls second)" ]
	for file in first/*; do cmp "$file" "second/${file##*/}"; done
	# It is obeyed, and not written again.
	cp small.lock copy.lock
	build_small --output third --lock small.lock --version 202601.02.4
	cmp small.lock copy.lock
	compgen -G "third/orlop-small_202601.02.4_*.raw"
}

# What the disk's other formats say of themselves is read by python alone, as their specifications have it.
@test "in another format the disk is the same, and takes hardly more space" {
	local raw name format
	raw=$(echo "$reference"/*.raw)
	while read -r name format; do
		qemu-img compare -f raw -F "$format" "$raw" "${raw%.raw}.$name"
		[ "$(qemu-img info -f "$format" --output=json "${raw%.raw}.$name" | jq '."virtual-size"')" = "$(stat -c %s "$raw")" ]
		[ "$(du -k "${raw%.raw}.$name" | cut -f1)" -le $(($(du -k "$raw" | cut -f1) + 1024)) ]
		[ "$(fsverity digest --compact "${raw%.raw}.$name")" = "$(jq -r ".outputs[] | select(.kind == \"$name\").fsverity" "${raw%.raw}.manifest.json")" ]
		jq -r .payload "${raw%.raw}.provenance.json" | base64 -d |
			jq -e --arg name "${raw##*/}" --arg format "$name" 'any(.subject[]; .name == ($name | sub("raw$"; $format)) and .digest.fsverity)'
	done <<-'END'
		qcow2 qcow2
		vhd vpc
		vhdx vhdx
	END
	qemu-img check -q -f qcow2 "${raw%.raw}.qcow2"
	qemu-img check -q -f vhdx "${raw%.raw}.vhdx"
	python3 - "${raw%.raw}.vhd" "$(stat -c %s "$raw")" "$(date -ud 2026-01-02 +%s)" <<-'END'
		import struct, sys
		path, size, time = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
		data = open(path, "rb").read()
		footer = data[-512:]
		cookie, features, version, offset, stamp, app, _, system, original, current, cylinders, heads, track, kind, checksum = \
		    struct.unpack(">8sIIQI4sI4sQQHBBII", footer[:68])
		assert cookie == b"conectix" and features == 2 and version == 0x10000 and offset == 2**64 - 1
		assert original == current == size == len(data) - 512 and size % 2**20 == 0, (original, current, len(data))
		assert kind == 2 and app == b"qem2" and stamp == time - 946684800, (kind, app, stamp)
		assert checksum == ~(sum(footer) - sum(footer[64:68])) & 0xffffffff
		assert size - 512 * heads * track < cylinders * heads * track * 512 <= size
	END
	"$ORLOP" inspect --verify "$raw" >expected
	"$ORLOP" inspect --verify "${raw%.raw}.vhd" | diff expected -
}

@test "a format that there is not is refused before anything is done" {
	local formats
	for formats in qcow 'qcow2,' ,vhd raw,vmdk '' QCOW2 'vhd vhdx'; do
		run "$ORLOP" build "$edition" --offline --cache "$cache" --keys "$ORLOP_TEST_KEYS" --output out --format "$formats"
		echo "$output"
		[ "$status" = 2 ]
		[[ $output == 'orlop: --format: "'*'" is none of raw, qcow2, vhd and vhdx (see orlop build --help)' ]]
		[ ! -e out ]
	done
	# None is asked for: there is the raw disk alone.
	"$ORLOP" build "$edition" --offline --quiet --cache "$cache" --keys "$ORLOP_TEST_KEYS" --version 202601.02.3 --output out --format raw
	cmp out/*.raw "$reference"/*.raw
	[ "$(find out -name '*.qcow2' -o -name '*.vhd' -o -name '*.vhdx')" = '' ]
}

@test "a lock that does not fit, or is none, is refused, and says why" {
	build_small --output first --lock small.lock
	sed 's/libc6,/libc6, netbase,/' "$edition" >more.yaml
	ln -s "${edition%/*}/small" small
	run "$ORLOP" build ./more.yaml --offline --quiet --cache "$cache" --keys "$ORLOP_TEST_KEYS" --output out --lock small.lock
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *'orlop: ./more.yaml has "netbase" in packages, which small.lock was written without: remove that, and the next build writes it anew' ]]
	[ ! -e out ] || [ -z "$(ls -A out)" ]
	refused 1 'small.lock is of the suite trixie, and this build is of forky' --lock small.lock --suite forky
	jq '.packages[0].file = "../x"' small.lock >bad.lock
	refused 1 'bad.lock: packages[0].file: not a path below an archive' --lock bad.lock
	# Whatever version is asked for; it is the lock that is wrong, not the command line.
	jq '.version = "nonsense"' small.lock >bad.lock
	refused 1 'bad.lock: version: not of the form YYYYMM.DD.N' --lock bad.lock --version 202601.02.4
	run "$ORLOP" build "$edition" --offline --cache "$cache" --keys none --explain --lock bad.lock
	[ "$status" = 1 ]
	[ "$output" = 'orlop: bad.lock: version: not of the form YYYYMM.DD.N' ]
	jq '.packages = []' small.lock >bad.lock
	refused 1 'bad.lock: packages: lacks "base-files", which is wanted' --lock bad.lock
	head -c 1000 small.lock >bad.lock
	refused 1 'bad.lock: line ' --lock bad.lock
	# What it says of a package is not so: nothing in the cache suffers from that, and no statement repeats it.
	jq '.packages[0].size = 12' small.lock >bad.lock
	refused 1 'bytes, and not 12: the lock or index that says so is wrong' --lock bad.lock
	jq '.packages[0].version = "99"' small.lock >bad.lock
	refused 1 ': Version is "' --lock bad.lock
	jq '.packages[0].source = "evil"' small.lock >bad.lock
	refused 1 ': Source is "' --lock bad.lock
	jq '.packages[0].suite = "nonsense"' small.lock >bad.lock
	refused 1 'which is neither of the suite trixie nor one of the sources of' --lock bad.lock
	# A package that is another one than was locked.
	jq '.packages[0].sha256 = "00" * 32' small.lock >bad.lock
	refused 1 'is not in the cache' --lock bad.lock
	mkdir folder
	refused 1 'folder' --lock folder
	refused 1 'none/x.lock' --lock none/x.lock
}

@test "an edition of one's own adds to another one, takes from it, and lays its files over it" {
	mkdir -p own/usr/lib/systemd/system own/usr/lib/sysctl.d
	printf '[Unit]\nDescription=Something\n' >own/usr/lib/systemd/system/multi-user.target
	printf 'vm.swappiness = 1\n' >own/usr/lib/sysctl.d/50-own.conf
	cat >own.yaml <<-END
		extends: $edition
		name: own
		title: Our Own
		packages: [netbase]
		without: {kernel: {command-line: [quiet]}}
		kernel: {command-line: [loglevel=7]}
		files: own
	END
	"$ORLOP" build ./own.yaml --offline --quiet --cache "$cache" --keys "$ORLOP_TEST_KEYS" --version 202601.02.3 --output out
	fsck.erofs --extract=tree out/*.usr.erofs
	cmp tree/lib/sysctl.d/50-own.conf own/usr/lib/sysctl.d/50-own.conf
	grep -x Description=Something tree/lib/systemd/system/multi-user.target
	grep -x 'VARIANT_ID="own"' tree/lib/os-release
	jq -e '[.packages[].name] | index("netbase") and index("libc6")' out/*.manifest.json
	jq -r .command_line out/*.manifest.json | grep -w loglevel=7
	! jq -r .command_line out/*.manifest.json | grep -w quiet || return 1
	# A lock of it does not fit the one that it extends.
	"$ORLOP" build ./own.yaml --offline --quiet --cache "$cache" --keys "$ORLOP_TEST_KEYS" --version 202601.02.3 --output out --lock own.lock
	run build_small --output none --lock own.lock
	[ "$status" = 1 ]
	[[ $output == *'own.lock is of the edition own, and this build is of small'* ]]
}

@test "--explain says what a build would be made of, and makes nothing" {
	local plan=("$ORLOP" build "$edition" --offline --cache "$cache" --keys none --output out --version 202601.02.3 --explain)
	"${plan[@]}" --json >plan
	[ ! -e out ]
	# The packages are those that a build takes, and each says why it is there.
	diff <(jq -r '.packages[] | "\(.name) \(.version) \(.sha256)"' plan) <(jq -r '.packages[] | "\(.name) \(.version) \(.sha256)"' "$reference"/*.manifest.json)
	jq -e '[.packages[] | .why | split(" > ")[0]] - ["base-files", "base-passwd", "libc6", "linux-image-cloud-amd64", "linux-image-cloud-arm64"] == []' plan
	jq -e '.disk.usr == 64 * 1048576 and .kernel.command_line == ["quiet"] and ([.finishers[].name] | index("accounts") < index("layout"))' plan
	"${plan[@]}" --quiet >text
	grep -E '^  libc6 .* trixie .* asked for$' text
	[ "$(grep -cE '^  [a-z0-9.+-]+ +[0-9].* (trixie|trixie-security|trixie-updates) ' text)" = "$(jq '(.packages + .boot_packages) | length' plan)" ]
	# The same of a lock, also where the cache has no package.
	build_small --output made --lock small.lock
	mkdir empty
	"$ORLOP" build "$edition" --offline --cache empty --keys none --version 202601.02.3 --explain --json --lock small.lock >locked
	diff <(jq '.packages | map(del(.url))' plan) <(jq '.packages | map(del(.url))' locked)
}

@test "in JSON, U+FFFD stands for what is not UTF-8 in a path" {
	local file
	build_small --output $'o\351' --json >made
	[ "$(jq -r .folder made)" = $'o\357\277\275' ]
	[ "$(jq -r '.outputs.manifest, .outputs.raw' made | wc -l)" = 2 ]
	for file in "$reference"/*; do
		cmp "$file" $'o\351'/"${file##*/}"
	done
	"$ORLOP" build "$edition" --offline --quiet --cache "$cache" --keys "$ORLOP_TEST_KEYS" --sign-later $'s\351' --json >left
	[ "$(jq -r .folder left)" = $'s\357\277\275' ]
	# Of the files that a definition names, too.
	mkdir $'e\351'
	cp -r "$edition" "$BATS_FILE_TMPDIR/small" $'e\351'
	build_small --output made-so --lock $'l\351'
	"$ORLOP" build $'./e\351/small.yaml' --offline --quiet --cache "$cache" --version 202601.02.3 --explain --json --lock $'l\351' >plan
	[ "$(jq -r .lock plan)" = $'l\357\277\275' ]
	[ "$(jq -r '.files[0]' plan)" = $'./e\357\277\275/small' ]
}

@test "what is compared as an output of a build is what was built, in every format" {
	local file kept
	"$ORLOP" diff "$reference" "$reference" >none
	mkdir copy
	cp --sparse=always "$reference"/* copy
	for file in copy/*; do
		"$ORLOP" diff "$file" "$reference" | cmp none -
		[[ $file != *.manifest.json ]] || continue
		cp --sparse=always "$file" kept
		printf damage | dd of="$file" bs=1 seek="$(($(stat -c %s "$file") / 2))" conv=notrunc status=none
		run "$ORLOP" diff "$file" "$reference"
		[ "$status" = 1 ]
		[[ $output == "orlop: $file"* ]]
		: >"$file"
		run "$ORLOP" diff "$reference" "$file"
		[ "$status" = 1 ]
		[[ $output == "orlop: $file"* ]]
		mv kept "$file"
	done
	# Provenance of another build, for all that it is sound.
	"$ORLOP" build "$edition" --offline --quiet --cache "$cache" --keys "$ORLOP_TEST_KEYS" --version 202601.02.3 --output other
	cp other/*.provenance.json copy
	run "$ORLOP" diff copy/*.provenance.json "$reference"
	[ "$status" = 1 ]
	[[ $output == *'.provenance.json: it is not about the manifest beside it, '* ]]
	# The usr image is what differences of files are told of.
	"$ORLOP" diff --files copy "$reference" >files
	printf damage | dd of="$(echo copy/*.usr.erofs)" bs=1 seek=1000000 conv=notrunc status=none
	run "$ORLOP" diff --files copy "$reference"
	[ "$status" = 1 ]
	[[ $output == *'.usr.erofs is not what its manifest says: its fs-verity digest is '* ]]
	"$ORLOP" diff copy "$reference" | cmp none -
}

@test "--explain has every key of a definition, and of the command line what the architecture has" {
	local key word other=arm64 members
	[ "$(dpkg --print-architecture)" != arm64 ] || other=amd64
	mkdir own
	cat >all.yaml <<-END
		extends: $edition
		name: all
		title: All Keys
		absent: [-x0]
		exclude: [usr/x1]
		keep: [usr/x2]
		programs: [orlop-node]
		files: own
		without: {files: [usr/lib/systemd]}
		links: {etc/x3: x4}
		sysctl: {vm.x5: x6}
		users: {x7: {description: x8, home: /x9, shell: /x10, groups: [x11]}}
		ids: {x12: 913}
		units: {x13.service: mask}
		setuid: [usr/x14]
		kernel: {command-line: ["x15=y [$(dpkg --print-architecture)]", "other [$other]"], modules: [x16], firmware: [x17]}
		initrd: {modules: [x18], devices: [x19]}
		compression: zstd:7
		disk: {esp: 111M, usr: 222M, verity: 33M, signature: 44K, state: 555M}
		require: [secure-boot, command-line]
	END
	local plan=("$ORLOP" build ./all.yaml --offline --quiet --cache "$cache" --keys none --version 202601.02.3 --explain)
	"${plan[@]}" >text
	"${plan[@]}" --json >plan
	for word in "${edition##*/}" 'All Keys' main trixie x{0..14} x15=y x{16..19} orlop-node own usr/lib/systemd 913 mask zstd:7 111.0 222.0 33.0 44.0 \
		555.0 secure-boot command-line libc6 systemd-boot-efi; do
		grep -qwF -- "$word" text || { echo "$word is missing"; return 1; }
	done
	! grep -E 'other|tpm2' text || return 1
	grep -x 'Kernel command line, before usrhash=:' text
	# As in the image.
	[[ $(jq -r .command_line "$reference"/*.manifest.json) == 'quiet usrhash='* ]]
	members=$(grep -oE '\bFIELD\("[a-z-]+"' "$BATS_TEST_DIRNAME/../../src/build/definition.c" | cut -d'"' -f2 | tr - _)
	[ "$(wc -w <<<"$members")" -ge 20 ]
	for key in $members; do
		case $key in
		name) key=edition ;;
		initrd) key=kernel ;;
		without) key=left_out ;;
		esac
		jq -e --arg key "$key" 'has($key) and .[$key] != null and .[$key] != [] and .[$key] != ""' plan || [ "$key" = sources ] ||
			{ echo "$key is missing"; return 1; }
	done
	jq -e '.components == ["main"] and .require == ["secure-boot", "command-line"] and .kernel.command_line == ["quiet", "x15=y"]' plan
	jq -e --arg edition "$edition" '.definition == "./all.yaml" and .extends == $edition and .disk.signature == 45056' plan
	# Nothing is demanded where nothing is said.
	"$ORLOP" build "$edition" --offline --quiet --cache "$cache" --keys none --explain >text
	grep -x 'A node must have nothing in particular to start' text
}

@test "a cache or an output folder that cannot be used is named, and what to do" {
	: >file
	mkdir half
	: >half/release
	refused 1 "cache file can't be used (make it readable and writable for this user, or choose another folder with --cache)" --cache file
	refused 1 'half' --cache half
	refused 1 'cache /proc/none' --cache /proc/none
	refused 1 'build once without --offline' --cache new
	run build_small --output file
	[ "$status" = 1 ]
	[ "$output" = 'orlop: file: Not a directory' ]
	run build_small --output /proc/none
	[ "$status" = 1 ]
	[[ $output == *'/proc/none'* ]]
}

# A mirror made of what the cache has: the signed releases, whose indexes the cache has already, and one package.
make_mirror() { # NAME
	local suite version source file
	for suite in trixie trixie-updates trixie-security; do
		file=("$cache"/release/*_dists_"$suite")
		mkdir -p "$PWD/debian/dists/$suite" "$PWD/debian-security/dists/$suite"
		cp "${file[0]}" "$PWD/debian/dists/$suite/InRelease"
		cp "${file[0]}" "$PWD/debian-security/dists/$suite/InRelease"
	done
	file=$(jq -er --arg name "$1" '.packages[] | select(.name == $name) | .sha256' "$reference"/*.manifest.json)
	source=$(jq -er --arg name "$1" '.packages[] | select(.name == $name) | .source' "$reference"/*.manifest.json)
	version=$(jq -er --arg name "$1" '.packages[] | select(.name == $name) | "\(.version)_\(.architecture)"' "$reference"/*.manifest.json)
	mkdir -p "debian/pool/main/${source:0:1}/$source"
	cp "$cache/sha256/${file:0:2}/$file" "debian/pool/main/${source:0:1}/$source/$1_${version#*:}.deb"
}

@test "a damaged package is never used: it is named offline, and fetched again otherwise" {
	local object
	object=$(jq -er '.packages[] | select(.name == "base-files") | .sha256' "$reference"/*.manifest.json)
	cp -al "$cache" copy
	object=copy/sha256/${object:0:2}/$object
	make_mirror base-files
	# The copy shares its files with the original: a new one takes the place of this one.
	cp "$object" damaged
	flip_byte damaged 1000
	mv damaged "$object"
	refused 1 "package: base-files is damaged in the cache: the SHA-256 of $object did not match" --cache copy
	[[ $output == *'without --offline'* ]]
	refused 1 'package base-files is not in the cache: build once without --offline' --cache copy
	cp debian/pool/main/b/base-files/*.deb damaged
	flip_byte damaged 1000
	mv damaged "$object"
	"$ORLOP" build "$edition" --quiet --cache copy --keys "$ORLOP_TEST_KEYS" --version 202601.02.3 --output out \
		--format qcow2,vhd,vhdx --mirror "http://127.0.0.1:$(serve .)/debian"
	cmp "$object" debian/pool/main/b/base-files/*.deb
	diff -r "$reference" out
}

@test "what no build has used for long is removed from the cache at the end, and no more" {
	local before
	cp -r --reflink=auto "$cache" copy
	find copy -type f -exec touch -d '40 days ago' {} +
	before=$(find copy -type f | wc -l)
	mkdir -p copy/sha256/00
	: >copy/sha256/00/.killed.abcdef.tmp
	build_small --cache copy --cache-keep 50 --output out
	[ "$(find copy -type f | wc -l)" = "$before" ]
	find copy -type f -exec touch -d '40 days ago' {} +
	build_small --cache copy --output out
	# Its packages stay, and three indexes in both forms.
	jq -r '(.packages + .boot_packages)[].sha256' "$reference"/*.manifest.json | sort >used
	find copy/sha256 -type f -printf '%f\n' | sort >left
	[ -z "$(comm -23 used left)" ]
	[ "$(comm -13 used left | wc -l)" = 3 ]
	[ "$(find copy/solv -type f | wc -l)" = 3 ]
	build_small --cache copy --output out
	diff -r "$reference" out
}

# serve FOLDER: prints the port of 127.0.0.1 where a web server has it, until the test ends
serve() {
	local port=$((20000 + RANDOM % 20000)) tries
	for tries in 1 2 3 4 5 6 7 8 9; do
		busybox httpd -f -p "127.0.0.1:$port" -h "$1" >/dev/null 2>&1 3>&- &
		echo $! >"$BATS_TEST_TMPDIR/httpd.pid"
		# Bound or ended: one of the two comes soon.
		while kill -0 $! 2>/dev/null; do
			(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && { echo "$port"; return; }
		done
		port=$((port + tries))
	done
	return 1
}

teardown() { [ ! -e "$BATS_TEST_TMPDIR/httpd.pid" ] || kill "$(cat "$BATS_TEST_TMPDIR/httpd.pid")"; }

@test "keys that are missing, or not a pair, are named" {
	local name
	for name in PK.key KEK.crt db.key db.crt owner.guid; do
		cp -r "$ORLOP_TEST_KEYS" keys
		rm "keys/$name"
		refused 1 "keys/$name" --keys keys
		rm -r keys
	done
	refused 1 'make keys with `orlop keys init`' --keys none
	cp -r "$ORLOP_TEST_KEYS" keys
	cp keys/KEK.key keys/db.key
	refused 1 'keys/db.crt: the private key does not belong to the certificate' --keys keys
	echo garbage >keys/db.key
	refused 1 'keys/db.' --keys keys
	cp "$ORLOP_TEST_KEYS/db.key" keys/db.key
	echo garbage >keys/owner.guid
	refused 1 'keys/owner.guid: not a GUID' --keys keys
	# Whom nodes trust is wanted where there is what updates them, and before anything is fetched.
	rm -r keys
	cp -r "$ORLOP_TEST_KEYS" keys
	rm keys/root.json
	build_small --keys keys --output small
	cmp small/*.raw "$reference"/*.raw
	edition=container-linux refused 1 'keys/root.json is missing, without which no node can update: copy it from the keys that sign releases (`orlop keys init` makes it' --keys keys --cache none
	[ ! -e none ]
	rm keys/*.key
	run "$ORLOP" build container-linux --offline --quiet --keys keys --sign-later left
	[ "$status" = 1 ]
	[[ $output == 'orlop: keys/root.json is missing'* ]]
	[ ! -e left ]
}

@test "private keys that their group may read are used with one warning, which says what to do" {
	cp -r "$ORLOP_TEST_KEYS" keys
	chmod 640 keys/db.key keys/PK.key
	run build_small --keys keys --output out
	[ "$status" = 0 ]
	[ "${lines[0]}" = 'orlop: warning: private keys may be read by their group; run: chmod 600 keys/PK.key keys/db.key' ]
	[ "${#lines[@]}" = 2 ]
	rm -r out
	chmod 600 keys/PK.key
	chmod 604 keys/db.key
	refused 1 'run: chmod 600 keys/db.key' --keys keys
}

@test "an archive that the keyring does not vouch for is refused, and what to do is said" {
	export GNUPGHOME=$PWD/gnupg
	mkdir -m 700 gnupg
	gpg --batch --quiet --passphrase '' --quick-gen-key nobody@example.org ed25519 sign never
	gpg --export >foreign.gpg
	gpg --armor --export >foreign.asc
	gpgconf --kill all
	refused 1 'which foreign.gpg does not hold (install or update debian-archive-keyring, or give the keyring of this archive with --keyring)' --keyring foreign.gpg
	refused 1 'which foreign.asc does not hold (install or update debian-archive-keyring' --keyring foreign.asc
	: >empty.gpg
	refused 1 'keyring empty.gpg holds no OpenPGP public keys' --keyring empty.gpg
	refused 1 'none.gpg' --keyring none.gpg
}

@test "an init that is not for the architecture is refused before anything is fetched" {
	ORLOP_INIT=${ORLOP%/*}/node/amd64/orlop-init refused 1 'is no program for arm64' --arch arm64 --cache none
	[ ! -e none ]
	ORLOP_INIT=typo refused 1 "\$ORLOP_INIT names \"typo\", which can't be read" --arch arm64
	cp "$ORLOP" alone
	ORLOP=$PWD/alone refused 1 "set \$ORLOP_INIT to its path" --arch arm64
}

@test "a keyring in ASCII armour does as well" {
	{
		echo '-----BEGIN PGP PUBLIC KEY BLOCK-----'
		echo
		base64 -w 64 /usr/share/keyrings/debian-archive-keyring.gpg
		echo '-----END PGP PUBLIC KEY BLOCK-----'
	} >debian.asc
	build_small --keyring debian.asc --output out
	diff -r "$reference" out
}

@test "a wrong command line is refused before anything is made" {
	local want options text
	while IFS='|' read -r want options text; do
		# shellcheck disable=SC2086 # several words
		refused "$want" "$text" $options
		[ ! -e out ]
	done <<-'END'
		2|--arch mips|--arch: "mips" is not amd64 or arm64
		2|--threads many|not a number
		2|--threads 9999|at most 1024
		2|another|too many arguments: another
		2|--suite ../x|--suite: "../x" is no name of a suite
		2|--version 1.2|version "1.2" is not of the form YYYYMM.DD.N
		2|--version 1.2.3|version "1.2.3" is not of the form YYYYMM.DD.N
		2|--version 202613.01.0|version "202613.01.0"
		2|--version 202602.30.0|version "202602.30.0"
		2|--version ../202601.01.0|version "../202601.01.0"
		2|--schema|--schema: nothing else is done, so that --version has no effect
		2|--sign-later left|--sign-later: no outputs are made yet, so that --output has no effect
	END
	for options in --passphrase-file=none --pin-file=none; do
		run build_small --sign-later left "$options"
		[ "$status" = 2 ]
		[[ $output == "orlop: --sign-later: private keys are not looked at, so that ${options%=*} has no effect (see"* ]]
	done
	run build_small --sign-later left --explain
	[ "$status" = 2 ]
	[[ $output == 'orlop: --explain: nothing is built, so that --sign-later has no effect (see'* ]]
	[ ! -e left ]
	run "$ORLOP" build container-linux --schema
	[ "$status" = 2 ]
	[[ $output == 'orlop: --schema takes no EDITION'* ]]
	"$ORLOP" build --schema --json --quiet | jq -e .properties >schema
	run "$ORLOP" build no-such-edition --offline
	[ "$status" = 1 ]
	[[ $output == *'there is no edition "no-such-edition"'* ]]
	run "$ORLOP" build ./none.yaml --offline
	[ "$status" = 1 ]
	[ "$output" = 'orlop: ./none.yaml: No such file or directory' ]
}

@test "a slot that has no room for the image is named with file, line and key" {
	cp -r "$BATS_FILE_TMPDIR/small" small
	truncate -s 70M small/usr/lib/large
	cp "$edition" wrong.yaml
	edition=wrong.yaml
	refused 1 'wrong.yaml:13: disk: usr: a slot of 64.0 MiB has no room for this /usr, which takes '
}

@test "a mistake in a definition is named with file, line and key" {
	local edit text good=$edition
	cp -r "$BATS_FILE_TMPDIR/small" small
	edition=wrong.yaml
	while IFS='|' read -r edit text; do
		echo "$edit"
		sed -e "$edit" "$good" >wrong.yaml
		! cmp -s wrong.yaml "$good" || return 1
		refused 1 "$text"
	done <<-'END'
		s/^title:/titel:/|wrong.yaml:2: titel
		s/usr: 64M/usr: sixty/|wrong.yaml:13: disk: usr: must be a size such as 512M
		s/usr: 64M/usr: 4096G/|wrong.yaml:13: disk: usr: must be
		s/usr: 64M/usr: 63M/|wrong.yaml:13: disk: usr: must be at least
		s/verity: 2M/verity: 4K/|wrong.yaml:13: disk: verity: must be at least
		s/^name: small/name: Sm all/|wrong.yaml:1: name: "Sm all" may hold
		s/^title: .*/title: "a $x"/|wrong.yaml:2: title: "a $x" may hold
		s/^title: .*/title: ~/|wrong.yaml:2: title: must be a text, and ~ is none without quotes
		s/trixie/..\/x/|wrong.yaml:3: suite: "../x" is no name of a suite
		/^disk/d|wrong.yaml:1: disk: is missing
		/^suite/p|wrong.yaml:4: suite
		s/libc6,/libc6, minee,/|wrong.yaml:5: packages: no repository has a package minee: is the name right
		s/\[systemd-boot-efi/[minee/|wrong.yaml:8: boot-packages: no repository has a package minee
		s/libc6, /libc6=1, /|wrong.yaml:5: packages: the packages do not go together
		s/^files: small/files: nofolder/|wrong.yaml:10: files: ./nofolder: No such file or directory
		s/^files: small/&\nlinks: {..\/x: y}/|wrong.yaml:11: links: "../x" is no path
		s/^files: small/&\nlinks: {usr\/lib\/systemd\/system\/multi-user.target: y}/|wrong.yaml:11: links: usr/lib/systemd/system/multi-user.target is in the folder of files
		s/^files: small/&\nlinks:\n  etc\/new: y\n  usr\/lib\/os-release: y/|wrong.yaml:13: links: "usr/lib/os-release" of the definition is there already: a file of base-files
		s/^files: small/&\nids: {sshd: 5000}/|wrong.yaml:11: ids: sshd: "5000" is no id
		s/^files: small/&\nids:\n  nobodyhere: 100/|wrong.yaml:12: ids: nobodyhere: no package has such an account
		s/^files: small/&\nsetuid: [usr\/bin\/nothere]/|wrong.yaml:11: setuid: no package has a setuid or setgid file /usr/bin/nothere
		s/^files: small/&\nunits: {nothere.service: mask}/|wrong.yaml:11: units: no package has the unit "nothere.service"
		s/^files: small/&\nunits: {nothere.service: disable}/|wrong.yaml:11: units: no package has the unit "nothere.service"
		s/^files: small/&\nunits:\n  multi-user.target: enable/|wrong.yaml:12: units: multi-user.target has no [Install] section
		s/^files: small/&\nsysctl: {swappiness: 1}/|wrong.yaml:11: sysctl: "swappiness" is no name of a setting
		s/^files: small/&\nusers: {a: {shell: \/bin\/sh}}/|wrong.yaml:11: users: a: description: is missing
		s/^components:/sources: {own: {url: nowhere, suite: s, keyring: k, packages: [p]}}\n&/|wrong.yaml:4: sources: own: url: there is no folder "nowhere"
		s/^components:/sources: {own: {url: small, suite: s, keyring: k, packages: [p]}}\n&/|wrong.yaml:4: sources: own: keyring: k: No such file or directory
		s/modules: .dm-verity./&, firmware: [nosuch.bin]/|wrong.yaml:11: kernel: firmware: no package has firmware that matches "nosuch.bin"
		s/^files: small/&\nprograms: [orlop-mode]/|wrong.yaml:11: programs: Orlop has no program "orlop-mode"
		s/modules: .dm-verity/modules: [nosuchmod/|wrong.yaml:11: kernel: modules: no kernel module matches "nosuchmod"
		s/\[quiet\]/[usrhash=00]/|wrong.yaml:11: kernel: command-line: "usrhash=00"
		s/\[quiet\]/[quiet please]/|wrong.yaml:11: kernel: command-line: "quiet please" must be one argument
		s/modules: .dm_verity/modules: [nosuchmod, dm_verity/|wrong.yaml:12: initrd: modules: there is no kernel module "nosuchmod"
		s/devices: ../devices: [nosuchmod]/|wrong.yaml:12: initrd: devices: there is no kernel module "nosuchmod"
		s/devices: ../devices: [dm_bufio]/|wrong.yaml:12: initrd: devices: the kernel module dm_bufio names no devices
		s/modules: .dm_verity[^]]*/modules: [/|wrong.yaml:12: initrd: modules: must have dm_verity
		s/modules: .dm_verity, erofs/modules: [dm_verity/|wrong.yaml:12: initrd: modules: must have erofs
		s/usr: 64M, verity: 2M/usr: 64M, verity: 2M, esp: 1M/|wrong.yaml:13: disk: esp: is there twice
	END
}

@test "an account that a package brings is not made another one, and a shell has to be there" {
	local user text
	while IFS='|' read -r user text; do
		printf 'extends: container-linux\nname: own\nusers: {%s}\n' "$user" >own.yaml
		edition=./own.yaml refused 1 "./own.yaml:3: users: $text" || return 1
	done <<-'END'
		daemon: {description: me, groups: [disk]}|daemon: base-passwd or a package brings this account, and not as it is here
		me: {description: me, shell: /bin/none}|me: the shell /bin/none is not in the image
	END
}

@test "files that the build makes itself are not laid over, and whom a node trusts neither" {
	local path
	for path in etc/passwd etc/machine-id etc/ld.so.cache usr/lib/os-release usr/share/orlop/packages.json \
		etc/ssl/certs/ca-certificates.crt usr/share/orlop/root.json usr/bin/orlop-node usr/share/orlop/etc; do
		echo "$path"
		mkdir -p "own/${path%/*}"
		echo own >"own/$path"
		printf 'extends: container-linux\nname: own\nfiles: own\n' >own.yaml
		edition=./own.yaml refused 1 "./own.yaml:3: files: /$path is made by the build, by " || return 1
		printf 'extends: container-linux\nname: own\nlinks:\n  %s: own\n' "$path" >own.yaml
		edition=./own.yaml refused 1 "./own.yaml:4: links: " || return 1
		rm -r own
	done
	# Nor where it has no place.
	mkdir -p own/opt/site own/data
	touch own/data/file
	printf 'extends: container-linux\nname: own\nfiles: own\n' >own.yaml
	edition=./own.yaml refused 1 './own.yaml:3: files: /data: only /usr, /etc and folders in /var can be part of an image; tmpfiles.d'
	mv own/data/file own/opt/site/file
	edition=./own.yaml refused 1 './own.yaml:3: files: /'
}

@test "what a definition may have itself is in the image as it is" {
	local file
	cd "$BATS_TEST_TMPDIR"
	for file in etc/hostname etc/shells etc/pam.d/common-auth; do
		mkdir -p "own/${file%/*}"
		echo "own $file" >"own/$file"
	done
	printf 'extends: container-linux\nname: own\nfiles: own\nlinks: {%s: %s}\n' etc/systemd/system/default.target \
		/lib/systemd/system/rescue.target >own.yaml
	edition=./own.yaml build_small --output out
	fsck.erofs --extract=usr out/*.usr.erofs
	for file in etc/hostname etc/shells etc/pam.d/common-auth; do
		cmp "own/$file" "usr/share/orlop/$file"
	done
	[ "$(readlink usr/share/orlop/etc/systemd/system/default.target)" = /lib/systemd/system/rescue.target ]
}

@test "what is printed has to arrive" {
	run bash -c '"$ORLOP" build --schema >/dev/full'
	[ "$status" = 1 ]
	[ "$output" = "orlop: cannot write to standard output: No space left on device" ]
	run bash -c '"$ORLOP" build "$edition" --offline --cache "$cache" --keys none --explain --json --quiet >/dev/full'
	[ "$status" = 1 ]
	[ "$output" = "orlop: cannot write to standard output: No space left on device" ]
}

@test "an entry of a definition that does nothing is warned of, with its line, but where it may do nothing" {
	sed -e 's/awk, mawk/awk, pearl-base, -pearl, mawk/; s/^exclude: ./&"usr\/shrae", "-usr\/shrea",/
		s/^files: .*/&\nkeep: [usr\/share\/dco, -usr\/share\/cod]/' "$edition" >typo.yaml
	cp -r "$BATS_FILE_TMPDIR/small" small
	"$ORLOP" build typo.yaml --offline --cache "$cache" --keys "$ORLOP_TEST_KEYS" --version 202601.02.3 \
		--format qcow2,vhd,vhdx --output out 2>told
	grep -F warning: told | diff - <(cat <<-'END'
		warning: typo.yaml:6: absent: no package asks for "pearl-base"
		warning: typo.yaml:9: exclude: no package has a path that matches "usr/shrae"
		warning: typo.yaml:11: keep: nothing that is excluded matches "usr/share/dco"
	END
	)
	# Without progress, too, and then there is nothing else.
	"$ORLOP" build typo.yaml --offline --cache "$cache" --keys "$ORLOP_TEST_KEYS" --version 202601.02.3 \
		--quiet --output quiet 2>quiet.told
	diff quiet.told <(grep -F warning: told)
	# The provenance names the definition by its digest.
	diff -r -x "*.provenance.json" "$reference" out
}

@test "the manifest's description has every member of a manifest" {
	local name
	for name in $(jq -r '[paths | map(select(type == "string")) | .[]] | unique | .[]' "$reference"/*.manifest.json \
		"$(image_file .manifest.json)" | sort -u); do
		grep -q "\`$name\`" "$BATS_TEST_DIRNAME/../../docs/formats/manifest.md" || { echo "$name is missing"; return 1; }
	done
}

@test "the same build elsewhere, with another clock, locale, umask and number of threads has the same bytes" {
	mkdir -p some/where
	cd some/where
	(
		umask 077
		export TZ=Pacific/Kiritimati LC_ALL=C.UTF-8 LANG=tr_TR.UTF-8 TMPDIR=$PWD HOME=/nonexistent SOURCE_DATE_EPOCH=1
		build_small --output ../out --threads 1
	)
	diff -r "$reference" ../out
	[ "$(ls ../out | wc -l)" = 11 ]
	[ -z "$(ls -A)" ]
}

# What the program is linked with is all that it has of a host; only the compressors are its own. Where this machine is a Debian 13, the
# two are the same.
@test "the same program with all libraries of Debian 13 makes the same bytes, compressed or not" {
	local compression
	debian_unpack trixie debian13 libarchive13t64,libc6,libcurl4t64,libjansson4,liblzma5,libsolv1,libsolvext1,libssl3t64,libyaml-0-2
	printf '#!/bin/bash\n. %q\ndebian_run %q %q "$@"\n' "$BATS_TEST_DIRNAME/../lib/debian.bash" "$PWD/debian13" "$ORLOP" >orlop-13
	chmod 755 orlop-13
	for compression in none lz4 lz4hc:9 zstd:3; do
		sed "\$acompression: $compression" "$edition" >"${edition%.yaml}-packed.yaml"
		edition=${edition%.yaml}-packed.yaml build_small --output here
		ORLOP_INIT=${ORLOP%/*}/node/amd64/orlop-init edition=${edition%.yaml}-packed.yaml ORLOP=./orlop-13 build_small --output there
		diff -r here there
		[ "$(ls there | wc -l)" = 11 ]
		rm -r here there
	done
}

@test "the image that is tested can be built again, to the byte, on one thread as on several" {
	local file
	TZ=America/St_Johns "$ORLOP" build container-linux --offline --quiet --cache "$cache" --keys "$ORLOP_TEST_KEYS" \
		--version "$(manifest .version)" --output out --threads 1
	for file in "$ORLOP_TEST_OUT"/*; do cmp "$file" "out/${file##*/}"; done
	[ "$(ls -A out)" = "$(ls -A "$ORLOP_TEST_OUT")" ]
}
