#!/usr/bin/env bats
# `orlop publish` from end to end: what it makes of a build is judged by openssl, zstd, veritysetup and jq, and followed by
# orlop-node's own client from the first root on. The images are random: what they hold is nothing to publishing.

bats_require_minimum_version 1.5.0

setup_file() {
	# shellcheck source=tests/lib/release.bash
	. "$BATS_TEST_DIRNAME/../lib/release.bash"
	export made=$BATS_FILE_TMPDIR
	cd "$made" || return 1
	"$ORLOP" keys init keys
	"$ORLOP" keys init other-keys
	release_image one 1000 1
	{ head -c 2000000 one; release_image new 10 2; cat new; tail -c +2000001 one; } | head -c 4096000 >two
	release_image three 900 3
	release_build b1 1.0 one keys
	release_build b2 1.1 two keys
	release_build b3 2.0 three keys
	release_build b3 2.0 two keys arm64
	"$ORLOP" publish --quiet --level 3 --keys keys --to repo b1
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	cp -r "$made/repo" repo
	export keys=$made/keys
}

publish() { "$ORLOP" publish --quiet --level 3 --keys "$keys" --to repo "$@"; }

state() { "$ORLOP" publish list --to repo --json | jq -r '.releases[] | "\(.version)/\(.architecture) \(.state)"'; }

# follow: as a node that knows the first root alone
follow() {
	rm -rf metadata
	mkdir metadata
	"${ORLOP%/*}/orlop-node" tuf --metadata-dir metadata init "${1:-repo/metadata/1.root.json}"
	"${ORLOP%/*}/orlop-node" tuf --metadata-dir metadata --metadata-url "file://$PWD/repo/metadata" \
		--target-name releases.json --target-base-url "file://$PWD/repo/targets" --target-dir . download
}

# names that jq and sha256sum agree on: the file of a target
target() {
	local hash
	hash=$(jq -r --arg name "$1" '.signed.targets[$name].hashes.sha256' "repo/metadata/$(
		jq '.signed.meta["targets.json"].version' "repo/metadata/$(
			jq '.signed.meta["snapshot.json"].version' repo/metadata/timestamp.json).snapshot.json").targets.json")
	if [[ $1 == */* ]]; then echo "repo/targets/${1%/*}/$hash.${1##*/}"; else echo "repo/targets/$hash.$1"; fi
}

@test "a release is what was built, in the judgement of other programs" {
	local folder=repo/targets/test/1.0/amd64 name file
	for name in releases.json test/1.0/amd64/{release.json,orlop.efi,manifest.json}; do
		file=$(target "$name")
		[ "$(sha256sum <"$file" | cut -d' ' -f1)" = "$(basename "$file" | cut -d. -f1)" ]
	done
	zstd -dqc $folder/usr.blocks.zst | cmp - "$made/one"
	zstd -dqc $folder/usr.verity.zst | cmp - "$made/b1/orlop-test_1.0_amd64.usr.verity"
	cmp "$(target test/1.0/amd64/orlop.efi)" "$made/b1/orlop-test_1.0_amd64.efi"
	cmp "$(target test/1.0/amd64/manifest.json)" "$made/b1/orlop-test_1.0_amd64.manifest.json"
	jq -r .signature "$(target test/1.0/amd64/release.json)" | base64 -d >signature
	jq -j .root_hash "$made/b1/orlop-test_1.0_amd64.manifest.json" >root
	openssl smime -verify -inform DER -in signature -content root -certfile "$keys/db.crt" -nointern -noverify -binary >/dev/null
	[ "$(jq -r '.uki.size' "$(target test/1.0/amd64/release.json)")" = "$(stat -c %s "$made/b1/orlop-test_1.0_amd64.efi")" ]
	[ "$(jq -c '.releases[0].channels' "$(target releases.json)")" = '["weekly"]' ]
}

# provenance FOLDER NAME KEY FILE…: a statement about files of the folder, signed with openssl
provenance() {
	local folder=$1 name=$2 key=$3 file subjects=()
	shift 3
	for file in "$@"; do
		subjects+=("$(jq -cn --arg name "$file" --arg sha256 "$(sha256sum <"$folder/$file" | cut -c-64)" '{$name, digest: {$sha256}}')")
	done
	printf '%s\n' "${subjects[@]}" | jq -cs '{_type: "https://in-toto.io/Statement/v1", subject: ., predicateType: "t", predicate: {}}' >payload
	{ printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c <payload)"; cat payload; } |
		openssl dgst -sha256 -sign "$key.key" -binary | openssl base64 -A >signature
	jq -n --arg payload "$(openssl base64 -A <payload)" --rawfile sig signature --rawfile cert "$key.crt" \
		--arg keyid "$(openssl x509 -in "$key.crt" -outform DER | sha256sum | cut -c-64)" \
		'{payloadType: "application/vnd.in-toto+json", $payload, signatures: [{$keyid, $sig, $cert}]}' >"$folder/$name.provenance.json"
}

@test "bills of materials and provenance are targets, and provenance of other files is refused" {
	local name=orlop-test_1.1_amd64 kind
	complains() { run -1 publish build; [[ $output == *"$1"* ]] || { echo "$output"; return 1; }; }
	cp -r "$made/b2" build
	for kind in spdx:spdx cyclonedx:cdx; do
		echo "{\"of\": \"$kind\"}" >"build/$name.${kind#*:}.json"
		jq --arg kind "${kind%:*}" --arg name "$name.${kind#*:}.json" --argjson size "$(stat -c %s "build/$name.${kind#*:}.json")" \
			--arg sha256 "$(sha256sum <"build/$name.${kind#*:}.json" | cut -c-64)" '.outputs += [{$kind, $name, $size, $sha256}]' \
			"build/$name.manifest.json" >manifest
		mv manifest "build/$name.manifest.json"
	done
	provenance build $name "$keys/KEK" $name.manifest.json
	complains "not signed with the key of its build"
	provenance build $name "$keys/db" $name.efi
	complains "is not about the manifest"
	provenance build $name "$keys/db" $name.manifest.json
	sed -i 's/"payload": "ey/"payload": "ez/' "build/$name.provenance.json"
	complains "was changed"
	provenance build $name "$keys/db" $name.manifest.json
	echo '{}' >"build/$name.spdx.json"
	complains "$name.spdx.json"
	echo '{"of": "spdx:spdx"}' >"build/$name.spdx.json"
	publish build
	cmp "$(target test/1.1/amd64/sbom.spdx.json)" build/$name.spdx.json
	cmp "$(target test/1.1/amd64/sbom.cdx.json)" build/$name.cdx.json
	cmp "$(target test/1.1/amd64/provenance.json)" build/$name.provenance.json
}

@test "nodes follow a first and a second release, with its patch" {
	follow
	[ "$(jq -r '.releases[].version' releases.json)" = 1.0 ]
	publish --channel security --channel weekly --rollout 10%@0h,100%@24h "$made/b2" >output
	grep -q '^Published test 1.1 for amd64 in repo: .* patches from 1 releases' output
	follow
	[ "$(jq -r '.releases[].version' releases.json | tr '\n' ' ')" = '1.0 1.1 ' ]
	[ "$(jq -c '.releases[1].rollout' releases.json)" = '[{"hours":0,"percent":10},{"hours":24,"percent":100}]' ]
	[ "$(jq -c '.releases[1].channels' releases.json)" = '["weekly","security"]' ]
	# Of /usr and of the kernel image, and no others. Kernel images of one kernel are nearly the same.
	(cd repo/targets/test/1.1/amd64 && stat -c '%n %s' from-*) | sort >there
	jq -r '(.usr, .uki.image).from[] | .tree, .patch | "\(.name) \(.size)"' "$(target test/1.1/amd64/release.json)" | sort | diff - there
	[ "$(wc -l <there)" = 4 ]
	jq -e '.uki.size > 20 * (.uki.image.from[0] | .tree.size + .patch.size)' "$(target test/1.1/amd64/release.json)"
	zstd -dqc repo/targets/test/1.1/amd64/uki.blocks.zst | cmp -n "$(stat -c %s "$made"/b2/*.efi)" - "$made"/b2/*.efi
}

@test "the notes say what changed, or what is given" {
	grep -q '^# .*1\.0' "$(target test/1.0/amd64/notes.md)"
	publish "$made/b2" >/dev/null
	grep -q '6\.1\.0-1\.0.*6\.1\.0-1\.1' "$(target test/1.1/amd64/notes.md)"
	echo 'Our own words.' >words.md
	publish --notes words.md "$made/b3" >/dev/null
	cmp words.md "$(target test/2.0/arm64/notes.md)"
}

@test "patches come from as many releases as are asked for" {
	publish --patch-from 0 "$made/b2" >/dev/null
	[ -z "$(find repo/targets/test/1.1 -name 'from-*')" ]
	# shellcheck source=tests/lib/release.bash
	. "$BATS_TEST_DIRNAME/../lib/release.bash"
	{ head -c 3000000 "$made/two"; head -c 1096000 "$made/three"; } >image
	release_build build 1.2 image "$keys"
	cp -r repo other
	publish --json build >result
	[ "$(jq -c '[.releases[] | .version, .patches]' result)" = '["1.2",2]' ] || { cat result; false; }
	"$ORLOP" publish --quiet --level 3 --keys "$keys" --to other --patch-from 1 --json build >result
	[ "$(jq .releases[0].patches result)" = 1 ]
	[ -e "other/targets/test/1.2/amd64/from-$(jq -r .root_hash "$made"/b2/*.manifest.json).patch" ]
}

@test "each architecture of a build is a release" {
	publish "$made/b3" >/dev/null
	[ "$(state | tr '\n' ' ')" = '1.0/amd64 offered 2.0/amd64 offered 2.0/arm64 offered ' ]
	cmp "$(target test/2.0/arm64/orlop.efi)" "$made/b3/orlop-test_2.0_arm64.efi"
	"$ORLOP" publish pause 2.0 --arch arm64 --to repo --keys "$keys" >/dev/null
	[ "$(state | tr '\n' ' ')" = '1.0/amd64 offered 2.0/amd64 offered 2.0/arm64 paused ' ]
}

@test "what is published already is left alone; with other content it is refused" {
	local before
	before=$(find repo -type f -exec sha256sum {} + | sort)
	run -0 publish "$made/b1"
	[[ $output == 'test 1.0 for amd64 is already published in repo'* ]]
	# shellcheck source=tests/lib/release.bash
	. "$BATS_TEST_DIRNAME/../lib/release.bash"
	release_build again 1.0 "$made/three" "$keys"
	run -1 publish again
	[[ $output == *'test 1.0 for amd64 is published already, with other content'* ]]
	[ "$(find repo -type f -exec sha256sum {} + | sort)" = "$before" ]
}

@test "a build whose parts don't belong together is not published" {
	local name=orlop-test_1.1_amd64 before
	before=$(find repo -type f -exec sha256sum {} + | sort)
	refuses() { # TEXT
		run -1 publish build
		[[ $output == *"$1"* ]] || { echo "$output"; return 1; }
		[ "$(find repo -type f -exec sha256sum {} + | sort)" = "$before" ]
		rm -rf build
	}
	cp -r "$made/b2" build
	echo more >>build/$name.usr.erofs
	refuses "$name.usr.erofs has "
	cp -r "$made/b2" build
	printf x | dd of=build/$name.usr.erofs bs=1 seek=9999 conv=notrunc status=none
	refuses "$name.usr.erofs is not the file of its manifest"
	cp -r "$made/b2" build
	printf x | dd of=build/$name.efi bs=1 seek=30000 conv=notrunc status=none
	refuses "$name.efi"
	cp -r "$made/b2" build
	rm build/$name.usr.verity
	refuses "$name.usr.verity: No such file"
	cp -r "$made/b2" build
	sed -i 's/"root_hash": "./"root_hash": "0/; s/"root_hash": "0\(.\)/"root_hash": "0f/' build/$name.manifest.json
	refuses 'does not start the root hash'
	cp -r "$made/b2" build
	echo '{' >build/$name.manifest.json
	refuses "$name.manifest.json"
	mkdir build
	refuses 'build has no build'
	cp -r "$made/b2" build
	cp "$made"/b3/*amd64* build
	sed -i 's/"edition": "test"/"edition": ".."/' build/$name.manifest.json
	refuses edition
	cp -r "$made/b2" build
	cp "$made"/b1/* build
	refuses 'two versions of test for amd64'
}

@test "other keys than the build's or the repository's are refused" {
	run -1 "$ORLOP" publish --quiet --keys "$made/other-keys" --to repo "$made/b2"
	[[ $output == *'root.json'* ]]
	run -1 "$ORLOP" publish --quiet --keys "$made/other-keys" --to new "$made/b2"
	[[ $output == *'signed with another db key'* ]]
	[ -z "$(find new -type f)" ]
}

@test "pause, resume, withdraw and floor are what nodes and the list are told" {
	publish "$made/b2" >/dev/null
	"$ORLOP" publish pause 1.1 --to repo --keys "$keys"
	[ "$(state | tr '\n' ' ')" = '1.0/amd64 offered 1.1/amd64 paused ' ]
	"$ORLOP" publish resume 1.1 --to repo --keys "$keys"
	[ "$(state | tr '\n' ' ')" = '1.0/amd64 offered 1.1/amd64 offered ' ]
	"$ORLOP" publish floor 1.1 --to repo --keys "$keys"
	[ "$(state | tr '\n' ' ')" = '1.0/amd64 below the floor 1.1/amd64 offered ' ]
	run -1 "$ORLOP" publish floor 1.0 --to repo --keys "$keys"
	[[ $output == *'never goes down'* ]]
	run -2 "$ORLOP" publish withdraw 1.1 --to repo --keys "$keys"
	"$ORLOP" publish withdraw 1.1 --reason 'does not start' --to repo --keys "$keys"
	follow
	[ "$(jq -r '.releases[1].withdrawn' releases.json)" = 'does not start' ]
	run -1 "$ORLOP" publish pause 9.9 --to repo --keys "$keys"
	[[ $output == *'there is no release 9.9'* ]]
	run -1 "$ORLOP" publish pause 1.1 --arch arm64 --to repo --keys "$keys"
	[[ $output == *'there is no release 1.1 for arm64'* ]]
	run -0 "$ORLOP" publish list --to repo
	[[ $output == *'withdrawn: does not start'* ]]
}

@test "a repository whose path is not UTF-8 is told of in JSON with U+FFFD" {
	mv repo $'r\351'
	"$ORLOP" publish --quiet --level 3 --keys "$keys" --to $'r\351' --json "$made/b2" >result
	[ "$(jq -r .repository result)" = $'r\357\277\275' ]
	[ "$("$ORLOP" publish list --to $'r\351' --json | jq -r .repository)" = $'r\357\277\275' ]
	# What is to be signed is taken as it is, or not at all.
	run -2 "$ORLOP" publish withdraw 1.1 --reason $'b\351' --to $'r\351' --keys "$keys"
	[[ $output == 'orlop: --reason: the text is not UTF-8 (see '* ]]
}

@test "for whom a release is can be changed, and publishing it again with another plan says so" {
	publish "$made/b2" --rollout 10%@0h,100%@48h >/dev/null
	plan() { "$ORLOP" publish list --to repo --json | jq -c '.releases[1] | [.rollout, .percent, .channels]'; }
	[ "$(plan)" = '["10%@0h,100%@48h",10,["weekly"]]' ]
	run -0 publish "$made/b2"
	run -0 publish "$made/b2" --rollout 10%@0h,100%@48h --channel weekly
	[[ $output == *'is already published'* ]]
	for other in '--rollout 100%@0h' '--channel security'; do
		# shellcheck disable=SC2086 # two words
		run -1 publish "$made/b2" $other
		[[ $output == *'1.1 for amd64 is published already, in other channels or with another rollout'*'orlop publish plan'* ]]
	done
	run -0 "$ORLOP" publish plan 1.1 --rollout 60%@0h --channel weekly --channel security --to repo --keys "$keys"
	[ "${lines[0]}" = 'Changed the plan of 1.1 (1 release)' ]
	[ "$(plan)" = '["60%@0h",60,["weekly","security"]]' ]
	run -0 "$ORLOP" publish plan 1.1 --rollout 60%@0h --to repo --keys "$keys"
	[ "${lines[0]}" = '1.1 has that plan already' ]
	run -2 "$ORLOP" publish plan 1.1 --to repo --keys "$keys"
	[[ $output == *'--rollout or --channel is missing'* ]]
	run -2 "$ORLOP" publish plan 1.1 --rollout soon --to repo --keys "$keys"
	follow
	[ "$(jq -c '.releases[1].rollout' releases.json)" = '[{"hours":0,"percent":60}]' ]
}

@test "a rollout that is paused goes on where it was" {
	percent() { faketime -f "$1" "$ORLOP" publish list --to repo --json | jq '.releases[1].percent'; }
	publish "$made/b2" --rollout 10%@0h,100%@48h --expires 30 >/dev/null
	[ "$(percent +47h)" = 10 ]
	[ "$(percent +49h)" = 100 ]
	"$ORLOP" publish pause 1.1 --to repo --keys "$keys" --expires 30
	[ "$(percent +49h)" = 10 ]
	run -0 "$ORLOP" publish pause 1.1 --to repo --keys "$keys"
	[ "${lines[0]}" = '1.1 is paused already' ]
	faketime -f +40h "$ORLOP" publish resume 1.1 --to repo --keys "$keys" --expires 30
	[ "$(percent +49h)" = 10 ]
	[ "$(percent +89h)" = 100 ]
	run -0 "$ORLOP" publish resume 1.1 --to repo --keys "$keys"
	[ "${lines[0]}" = '1.1 is not paused' ]
	"$ORLOP" publish withdraw 1.1 --reason 'does not start' --to repo --keys "$keys"
	for command in pause resume floor 'plan --rollout 1%@0h'; do
		# shellcheck disable=SC2086 # several words
		run -1 "$ORLOP" publish $command 1.1 --to repo --keys "$keys"
		[[ $output == *'1.1 for amd64 is withdrawn, and that is for good'* ]]
	done
}

@test "a clock that is behind publishes nothing, and signs nothing again" {
	local before
	before=$(find repo -type f -exec sha256sum {} + | sort)
	run -1 faketime -f -2d "$ORLOP" publish --quiet --level 3 --keys "$keys" --to repo "$made/b2"
	[[ $output == *"this machine's clock says "*', but 1.0 was published at '*'set the clock'* ]]
	run -1 faketime -f -2d "$ORLOP" publish refresh --keys "$keys" --to repo
	[[ $output == *"this machine's clock says "*', but 1.0 was published at '*'set the clock'* ]]
	[ "$(find repo -type f -exec sha256sum {} + | sort)" = "$before" ]
	# One that was ahead once is no reason to publish nothing any more.
	faketime -f +20d "$ORLOP" publish --quiet --level 3 --keys "$keys" --to repo "$made/b2"
	run -1 publish "$made/b3"
	[[ $output == *'withdraw what was published with a wrong one'* ]]
	"$ORLOP" publish withdraw 1.1 --reason 'published with a wrong clock' --to repo --keys "$keys"
	publish "$made/b3"
}

@test "where several keys of a role must sign, fewer are not enough, and nodes follow" {
	cp -r "$keys" own
	change() { run "$ORLOP" keys "$@" --to repo --keys own; }
	change add targets backup --threshold 2
	[ "$output" = 'Changed: 2 of 2 keys must sign for targets; repo has version 2 of the root' ]
	[ "$(stat -c %a own/targets-backup.key)" = 600 ]
	[ "$(jq '.signed.roles.targets | [.threshold, (.keyids | length)] | tostring' repo/metadata/2.root.json)" = '"[2,2]"' ]
	[ "$(jq '.signatures | length' "repo/metadata/$(jq '.signed.meta."targets.json".version' "repo/metadata/$(jq \
		'.signed.meta."snapshot.json".version' repo/metadata/timestamp.json).snapshot.json").targets.json")" = 2 ]
	cmp own/root.json repo/metadata/2.root.json
	follow
	change add targets backup
	[ "$output" = 'Nothing to do: 2 of 2 keys must sign for targets; repo has version 2 of the root' ]
	cp -r own few
	rm few/targets-backup.key
	run -1 "$ORLOP" publish --quiet --level 3 --keys few --to repo "$made/b2"
	[[ $output == *'1 of the 2 keys are there that must sign for the role targets'* ]]
	"$ORLOP" publish --quiet --level 3 --keys own --to repo "$made/b2"
	follow
	change remove targets backup
	[ "$status" = 1 ]
	[[ $output == *'targets would have fewer keys than must sign'* ]]
	change remove targets backup --threshold 1
	[ "$output" = 'Changed: 1 of 1 keys must sign for targets; repo has version 3 of the root' ]
	[ ! -e own/targets-backup.key ]
	[ -e own/targets-backup.key.2 ]
	follow
	change threshold timestamp 2
	[ "$status" = 1 ]
	[[ $output == *'timestamp would have fewer keys than must sign'* ]]
	# The root itself; a call that was interrupted once the key was made.
	openssl genpkey -algorithm ed25519 -out own/root-second.key
	change add root second
	[ "$output" = 'Changed: 1 of 2 keys must sign for root; repo has version 4 of the root' ]
	change threshold root 2
	[ "$output" = 'Changed: 2 of 2 keys must sign for root; repo has version 5 of the root' ]
	follow
	change rotate snapshot
	[ "$status" = 0 ]
	follow
	mv own/root-second.key away
	change rotate snapshot
	[ "$status" = 1 ]
	[[ $output == *'1 of the 2 keys are there that must sign for the role root'* ]]
	mv away own/root-second.key
	change rotate snapshot
	[ "$status" = 0 ]
	follow
}

@test "a key has one role, and a name is a name" {
	local before
	cp -r "$keys" own
	before=$(find repo own -type f -exec sha256sum {} + | sort)
	run -1 "$ORLOP" keys add snapshot x --new-key own/root.key --to repo --keys own
	[[ $output == *"is a key of the repository's role root"* ]]
	run -2 "$ORLOP" keys add snapshot ../x --to repo --keys own
	run -2 "$ORLOP" keys add mirror x --to repo --keys own
	run -2 "$ORLOP" keys threshold snapshot none --to repo --keys own
	run -1 "$ORLOP" keys remove snapshot x --to repo --keys own
	[[ $output == *'snapshot-x.key: No such file'* ]]
	echo nonsense >nonsense
	run -1 "$ORLOP" keys add snapshot x --new-key nonsense --to repo --keys own
	[ "$(find repo own -type f -exec sha256sum {} + | sort)" = "$before" ]
}

@test "refresh signs the timestamp, with its key alone" {
	mkdir few
	cp "$keys"/{root.json,timestamp.key} few
	run -0 "$ORLOP" publish refresh --to repo --keys few --expires 3
	[ "${lines[0]}" = 'Signed timestamp, version 2' ]
	[ ${#lines[@]} = 2 ]
	[ "$(date -d "$(jq -r .signed.expires repo/metadata/timestamp.json)" +%s)" -le $(($(date +%s) + 3 * 86400)) ]
	follow
	run -1 "$ORLOP" publish --quiet --to repo --keys few "$made/b2"
	[[ $output == *targets.key* ]]
	run -1 "$ORLOP" publish refresh --to nowhere --keys "$keys"
	[[ $output == *'nowhere is no repository'* ]]
	[ ! -e nowhere ]
}

@test "nodes that know the first root follow new keys of all roles" {
	local role version=1
	cp -r "$keys" own
	keys=$PWD/own
	cp repo/metadata/1.root.json first.json
	for role in timestamp snapshot targets root; do
		version=$((version + 1))
		run -0 "$ORLOP" keys rotate $role --to repo --keys own
		[[ $output == "Changed $role.key in own: repo has version $version of the root" ]]
		[ -e own/$role.key.$((version - 1)) ]
		follow first.json
	done
	cmp own/root.json repo/metadata/5.root.json
	publish "$made/b2" >/dev/null
	follow first.json
	[ "$(jq -r '.releases[].version' releases.json | tr '\n' ' ')" = '1.0 1.1 ' ]
	# The old keys are worth nothing any more.
	run -1 "$ORLOP" publish pause 1.1 --to repo --keys "$made/keys"
	run -2 "$ORLOP" keys rotate mirror --to repo --keys own
}

@test "a key that a role has already is no new one" {
	cp -r "$keys" own
	for role in snapshot root; do
		run -1 "$ORLOP" keys rotate snapshot --to repo --keys own --new-key own/$role.key
		[[ $output == *"a key of the repository's role $role already"* ]]
	done
	[ ! -e repo/metadata/2.root.json ]
	diff -r "$keys" own
	# It is no hindrance to a good one.
	run -0 "$ORLOP" keys rotate snapshot --to repo --keys own
	follow
}

@test "a key that is named is not passed over for the one of an interrupted call" {
	cp -r "$keys" own
	mv own/root.key away
	run -1 "$ORLOP" keys rotate timestamp --to repo --keys own
	[[ $output == *root.key* ]]
	mv away own/root.key
	openssl genpkey -algorithm ed25519 -out other.key
	run -1 "$ORLOP" keys rotate timestamp --to repo --keys own --new-key other.key
	[[ $output == *"own/timestamp.key.new was interrupted"* ]]
	[ ! -e repo/metadata/2.root.json ]
	rm own/timestamp.key.new
	run -0 "$ORLOP" keys rotate timestamp --to repo --keys own --new-key other.key
	cmp own/timestamp.key other.key
	follow
}

@test "a key in a token signs" {
	cp -r "$keys" own
	keys=$PWD/own
	export SOFTHSM2_CONF=$PWD/softhsm2.conf
	printf 'directories.tokendir = %s/tokens\n' "$PWD" >softhsm2.conf
	mkdir tokens
	softhsm2-util --init-token --free --label release --pin 1234 --so-pin 5678 >/dev/null
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key
	softhsm2-util --import key --token release --label targets --id 01 --pin 1234
	rm key
	"$ORLOP" keys rotate targets --to repo --keys own --new-key 'pkcs11:token=release;object=targets;type=private?pin-value=1234'
	grep -q ^pkcs11: own/targets.key
	publish "$made/b2" >/dev/null
	follow
	[ "$(jq -r '.releases[].version' releases.json | tr '\n' ' ')" = '1.0 1.1 ' ]
}

@test "the signature comes from the disk where the keys have no db" {
	local name=orlop-test_1.1_amd64 root
	cp -r "$made/b2" build
	cp -r "$keys" own
	rm own/db.key
	run -1 "$ORLOP" publish --quiet --to repo --keys own build
	[[ $output == *'no db key'* ]]
	root=$(jq -r .root_hash build/$name.manifest.json)
	printf %s "$root" >root
	openssl smime -sign -in root -binary -noattr -nocerts -signer "$keys/db.crt" -inkey "$keys/db.key" -outform DER -out signature
	truncate -s 4M build/$name.raw
	printf '%s\n' 'label: gpt' 'start=2048, size=32, type=e7bb33fb-06cf-4e81-8273-e543b413e2e2' | sfdisk -q build/$name.raw
	jq -cn --arg rootHash "$root" --arg certificateFingerprint "$(jq -r .certificate_sha256 build/$name.manifest.json)" \
		--arg signature "$(base64 -w 0 signature)" '{$rootHash, $certificateFingerprint, $signature}' | tr -d '\n' |
		dd of=build/$name.raw bs=512 seek=2048 conv=notrunc status=none
	jq --arg name $name.raw --argjson size "$(stat -c %s build/$name.raw)" --arg sha "$(sha256sum <build/$name.raw | cut -d' ' -f1)" \
		'.outputs += [{kind: "disk", $name, $size, sha256: $sha}, {kind: "qcow2", name: "other", size: 1, fsverity: $sha}]' \
		build/$name.manifest.json >manifest
	mv manifest build/$name.manifest.json
	"$ORLOP" publish --quiet --level 3 --to repo --keys own build
	jq -r .signature "$(target test/1.1/amd64/release.json)" | base64 -d | cmp - signature
}

@test "a publisher that is killed at any time leaves the old releases or the new, and the next one goes on" {
	local before begun length
	before=$(find repo -type f | sort)
	cp -r repo whole
	begun=${EPOCHREALTIME/[.,]/}
	"$ORLOP" publish --quiet --level 3 --keys "$keys" --to whole "$made/b3" >/dev/null
	length=$((${EPOCHREALTIME/[.,]/} - begun))
	for _ in $(seq 15); do
		timeout -s KILL "$(printf '0.%06d' $((RANDOM * length / 32768 % 1000000 + 1)))" "$ORLOP" publish --quiet --level 3 \
			--keys "$keys" --to repo "$made/b3" >/dev/null 2>&1 || true
		follow >/dev/null
		[ "$(jq '.releases | length' releases.json)" = 1 ] || [ "$(jq '.releases | length' releases.json)" = 3 ]
	done
	if [ "$(jq '.releases | length' releases.json)" = 1 ]; then
		# Whoever opens it next takes back what is left.
		"$ORLOP" publish refresh --to repo --keys "$keys" >/dev/null
		[ "$(find repo -type f | sort)" = "$before" ]
	fi
	publish "$made/b3" >/dev/null
	follow
	[ "$(jq '.releases | length' releases.json)" = 3 ]
	[ -z "$(find repo -name '.*' ! -name .)" ]
}

@test "a full disk is named, and the old releases stay whole" {
	local as_root=()
	[ "$(id -u)" = 0 ] || as_root=(--user --map-root-user)
	unshare "${as_root[@]}" --mount true 2>/dev/null || skip "no mount namespaces here"
	mkdir place
	run unshare "${as_root[@]}" --mount bash -c '
		mount -t tmpfs -o size=9M none place && cp -r repo place || exit 99
		before=$(find place -type f -exec sha256sum {} + | sort)
		"$ORLOP" publish --quiet --level 3 --keys "$keys" --to place/repo "$made/b3"; status=$?
		[ "$(find place -type f -exec sha256sum {} + | sort)" = "$before" ] || exit 98
		find place -name ".orlop*"
		exit $status'
	[ "$status" = 1 ]
	[[ $output == 'orlop: '*'No space left on device' ]]
}

@test "a damaged old image is no base for a patch, and a missing one is passed over" {
	printf damage | dd of=repo/targets/test/1.0/amd64/usr.blocks.zst bs=1 seek=5000 conv=notrunc status=none
	run -1 publish "$made/b2"
	[[ $output == *'test/1.0/amd64/'* ]]
	[ ! -e repo/targets/test/1.1 ]
	rm repo/targets/test/1.0/amd64/usr.blocks.zst
	run -0 "$ORLOP" publish --level 3 --keys "$keys" --to repo "$made/b2"
	[[ $output == *'no patch from 1.0'* ]]
}

@test "old releases may be removed from a server, and what lacks a file is not called published" {
	publish "$made/b2" >/dev/null
	for file in usr.blocks.zst uki.verity.zst "$(basename repo/targets/test/1.1/amd64/*.orlop.efi)" "$(basename repo/targets/test/1.1/amd64/from-*.patch | head -n 1)"; do
		mv "repo/targets/test/1.1/amd64/$file" kept
		run -1 publish "$made/b2"
		echo "$output"
		[[ $output == *"$file"*'bring the file back from a copy'* ]]
		mv kept "repo/targets/test/1.1/amd64/$file"
	done
	truncate -s -1 repo/targets/test/1.1/amd64/usr.verity.zst
	run -1 publish "$made/b2"
	[[ $output == *'usr.verity.zst has '*' bytes, and had '* ]]
	# The kernel image alone, then the whole release before, and all of its documents.
	rm repo/targets/test/1.0/amd64/*.orlop.efi
	rm -r repo/targets/test/1.1
	publish "$made/b3"
}

@test "wrong arguments are status 2" {
	run -2 "$ORLOP" publish "$made/b2"
	[[ $output == *'--to is missing'* ]]
	run -2 publish --channel daily "$made/b2"
	[[ $output == *'--channel daily'* ]]
	run -2 publish --rollout 10 "$made/b2"
	[[ $output == *'--rollout 10: "10" is not a step'* ]]
	run -2 publish --expires 0 "$made/b2"
	run -2 publish --patch-from 65 "$made/b2"
	run -2 publish --level 0 "$made/b2"
	run -2 publish
}
