#!/usr/bin/env bats
# `orlop-node tuf` with the command line of the TUF conformance suite, against repositories that other programs made
# (tests/data/tuf), served by nginx.

bats_require_minimum_version 1.5.0

setup_file() {
	# shellcheck source=tests/lib/nginx.bash
	. "$BATS_TEST_DIRNAME/../lib/nginx.bash"
	export node=${ORLOP%/*}/orlop-node www=$BATS_FILE_TMPDIR/www data=$BATS_TEST_DIRNAME/../data/tuf
	nginx_start "$BATS_FILE_TMPDIR"
	export url=$nginx_url nginx_folder
}

teardown_file() {
	# shellcheck source=tests/lib/nginx.bash
	. "$BATS_TEST_DIRNAME/../lib/nginx.bash"
	nginx_stop
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	rm -rf "${www:?}"
	mkdir -p "$www"
	cp -r "$data/tuf-on-ci" "$data/tufjs" "$data/python-tuf" "$www"
	# A server looks for a file of the decoded name.
	mkdir "$www/python-tuf/metadata/1..."
	mv "$www/python-tuf/metadata/1...%2Fodd%20role.json" "$www/python-tuf/metadata/1.../odd role.json"
	rm "$www/python-tuf/metadata/2.root.json"
	: >"$nginx_folder/access.log"
}

# moment NAME: what python-tuf/timestamps/NAME was is the timestamp now.
moment() { cp "$data/python-tuf/timestamps/$1" "$www/python-tuf/metadata/timestamp.json"; }

init() { "$node" tuf --metadata-dir metadata init "$data/$1/${2-1.root.json}"; }

refresh() { "$node" tuf --metadata-url "$url/python-tuf/metadata" --metadata-dir metadata refresh; }

# download NAME [METADATA TARGETS]
download() {
	"$node" tuf --metadata-url "$url/${2-python-tuf/metadata/}" --metadata-dir metadata --target-name "$1" --target-dir targets \
		--target-base-url "$url/${3-python-tuf/targets/}" download
}

# The names that were asked for since the last call. A last request sees to it that those before it are in the log.
asked() {
	local last
	exec {last}<>"/dev/tcp/127.0.0.1/${url##*:}"
	printf 'GET /last HTTP/1.0\r\n\r\n' >&"$last"
	grep -q '404 Not Found' <&"$last"
	exec {last}<&-
	awk '$7 != "/last" { print $7 }' "$nginx_folder/access.log" | xargs -r -n 1 basename | tr '\n' ' '
	: >"$nginx_folder/access.log"
}

version() { jq .signed.version "metadata/$1.json"; }

@test "init keeps the root as it is" {
	init python-tuf metadata/1.root.json
	cmp metadata/root.json "$data/python-tuf/metadata/1.root.json"
	[ "$(ls metadata)" = root.json ]
}

@test "init refuses what is no sound root, and refresh what is none in the folder" {
	sed 's/"version": 1/"version": 2/' "$data/python-tuf/metadata/1.root.json" >root.json
	run -1 "$node" tuf --metadata-dir metadata init root.json
	[[ $output == *"signed by 0 of the 1 trusted keys"* ]]
	[ ! -e metadata ]
	mkdir metadata
	cp root.json metadata
	run -1 refresh
	rm metadata/root.json
	run -1 refresh
	[[ $output == *"no root is trusted yet"* ]]
	[ "$(asked)" = '' ]
}

@test "refresh keeps each document as the server has it" {
	moment first
	init python-tuf metadata/1.root.json
	refresh
	[ "$(ls metadata)" = $'root.json\nsnapshot.json\ntargets.json\ntimestamp.json' ]
	cmp metadata/timestamp.json "$www/python-tuf/metadata/timestamp.json"
	cmp metadata/snapshot.json "$www/python-tuf/metadata/1.snapshot.json"
	cmp metadata/targets.json "$www/python-tuf/metadata/1.targets.json"
	moment second
	refresh
	cmp metadata/targets.json "$www/python-tuf/metadata/2.targets.json"
}

@test "refresh asks for what the conformance suite expects, and for nothing else" {
	moment first
	init python-tuf metadata/1.root.json
	refresh
	[ "$(asked)" = '2.root.json timestamp.json 1.snapshot.json 1.targets.json ' ]
	refresh
	[ "$(asked)" = '2.root.json timestamp.json ' ]
}

@test "options may stand before and behind the verb" {
	moment first
	"$node" tuf init --metadata-dir metadata "$data/python-tuf/metadata/1.root.json"
	"$node" tuf refresh --metadata-dir=metadata --metadata-url "$url/python-tuf/metadata"
	[ "$(version targets)" = 1 ]
}

@test "a timestamp that is older, foreign, unsigned or expired is refused" {
	local attack
	moment second
	init python-tuf metadata/1.root.json
	refresh
	for attack in first foreign unsigned expired; do
		moment $attack
		run -1 --separate-stderr refresh
		[ -z "$output" ]
		# shellcheck disable=SC2154 # run sets it
		[[ $stderr == "orlop-node: timestamp.json: "* ]]
		cmp metadata/timestamp.json "$data/python-tuf/timestamps/second"
		[ "$(version snapshot)" = 2 ]
	done
	moment second
	refresh
}

@test "a fast-forward is recovered from with a rotated key" {
	moment first
	init python-tuf metadata/1.root.json
	refresh
	moment fast-forward
	refresh
	moment recovered
	run -1 refresh
	[ "$(version timestamp)" = 1000000 ]
	cp "$data/python-tuf/metadata/2.root.json" "$www/python-tuf/metadata"
	refresh
	[ "$(version root) $(version timestamp) $(version targets)" = '2 3 3' ]
}

@test "download writes the target, and does not fetch what is there" {
	moment first
	init python-tuf metadata/1.root.json
	download file.txt
	[ "$(cat targets/file.txt)" = first ]
	asked >/dev/null
	download file.txt
	[ "$(asked)" = '2.root.json timestamp.json ' ]
	moment second
	download file.txt
	[ "$(cat targets/file.txt)" = second ]
	[ "$(ls targets)" = file.txt ]
}

@test "download refuses what is not the signed content, and leaves what was there" {
	local file
	moment second
	init python-tuf metadata/1.root.json
	for file in "$www"/python-tuf/targets/*.file.txt; do printf 'Second\n' >"$file"; done
	run -1 download file.txt
	[[ $output == *"SHA-256 is "*"and the signed metadata says"* ]]
	[ -z "$(ls targets)" ]
	echo second >targets/file.txt
	download file.txt
	echo other >targets/file.txt
	for file in "$www"/python-tuf/targets/*.file.txt; do echo longer than it >"$file"; done
	run -1 download file.txt
	[[ $output == *"longer than the 7 bytes"* ]]
	[ "$(ls -A targets) $(cat targets/file.txt)" = 'file.txt other' ]
}

@test "names of roles and targets lead nowhere else" {
	moment first
	init python-tuf metadata/1.root.json
	download 'folder/name#1.txt'
	[ "$(cat 'targets/folder%2Fname%231.txt')" = odd ]
	[[ $(asked) == *' 1...%2Fodd%20role.json '* ]]
	[ -s 'metadata/..%2Fodd%20role.json' ]
	[ "$(ls -A)" = $'metadata\ntargets' ]
	run -1 download ../file.txt
	[[ $output == *'target "../file.txt": the repository does not have it'* ]]
}

@test "repositories of tuf-on-ci and of tuf-js are followed" {
	init tuf-on-ci
	download delegatedrole/artifact tuf-on-ci tuf-on-ci
	cmp targets/* "$data"/tuf-on-ci/delegatedrole/*.artifact
	rm -r metadata targets
	init tufjs
	local name
	for name in a/top.txt a/path.bin hashed; do download $name tufjs tufjs; done
	[ "$(cat targets/*)" = $'by path\ntop\nby hash' ]
	[ "$(version root)" = 2 ]
}

@test "a wrong command line is status 2, a server that is not there 1" {
	run -2 "$node" tuf
	run -2 "$node" tuf --metadata-dir metadata --metadata-url "$url" renew
	[[ $output == *"neither init nor refresh nor download: renew"* ]]
	run -2 "$node" tuf init "$data/tufjs/1.root.json"
	[ "$output" = 'orlop-node: init wants --metadata-dir (see orlop-node tuf --help)' ]
	run -2 "$node" tuf --metadata-dir metadata refresh
	run -2 "$node" tuf --metadata-dir metadata init
	run -2 "$node" tuf --metadata-dir metadata --metadata-url "$url" download
	[[ $output == *"download wants --target-name"* ]]
	run -2 "$node" tuf --metadata-dir metadata --metadata-url "$url" refresh more
	[ ! -e metadata ]
	init tufjs
	run -1 "$node" tuf --metadata-dir metadata --metadata-url file:///nowhere refresh
	[[ $output == *"timestamp.json"*"is it the URL of the repository's metadata?"* ]]
}
