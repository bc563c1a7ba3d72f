#!/usr/bin/env bats
# orlop-node on a node that is only files: what it may go back to, with its server and without, and with settings that are wrong.
# shellcheck disable=SC2030,SC2031,SC2154 # bats sets output and status for each test; what the loaded files set

bats_require_minimum_version 1.5.0

setup_file() {
	# shellcheck source=tests/lib/release.bash
	. "$BATS_TEST_DIRNAME/../lib/release.bash"
	export made=$BATS_FILE_TMPDIR
	# Root works as nobody here, who has to get there.
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/file" "$made" 2>/dev/null || true
	cd "$made" || return 1
	export NODE=$made/orlop-node
	cp "${ORLOP%/*}/orlop-node" "$NODE"
	"$ORLOP" keys init keys
	release_image one 1000 1
	release_image two 1000 2
	release_build b1 1.0 one keys
	release_build b2 1.1 two keys
	for build in b1 b2; do "$ORLOP" publish --quiet --level 3 --patch-from 0 --keys keys --to repo "$build"; done
}

setup() {
	load ../lib/node-root
	load ../lib/nginx
	chmod 755 "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR" 2>/dev/null || true
	cd "$BATS_TEST_TMPDIR" || return 1
	cp -r "$made/repo" repo
	chmod -R a+rX repo
	keys=$made/keys
	node_root "$PWD/node" repo/metadata/1.root.json 1.1 "$made/b2" 1.0 "$made/b1"
	settings "repository: file://$PWD/repo"
}

# What a test leaves running, bats waits for. $! is a shell between it and the agent, and %1 is bats' own, where it has a time limit.
teardown() {
	end_agent
	nginx_stop
}

end_agent() { pkill -f "^$NODE agent" || [ $? = 1 ]; }
settings() { printf '%s\n' "$@" >node/etc/orlop/node.yaml; }
change() { "$ORLOP" publish "$@" --to repo --keys "$keys" && chmod -R a+rX repo; }
node() { on_node "$PWD/node" "$@"; }
next() { node status --json | jq -r .next.version; }

@test "back to the other slot, and what ran is the last resort" {
	node rollback --quiet
	[ "$(next)" = 1.0 ]
	[ "$(node status --json | jq -r .running.entry.state)" = bad ]
}

# refused TEXT: going back to 1.0 is
refused() {
	run node rollback --quiet
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"$1"* ]]
	[ "$(next)" = 1.1 ]
}

@test "without its server a node goes by the floor that it was told last" {
	change floor 1.1
	node check
	refused 'no version below 1.1'
	mv repo gone
	refused 'no version below 1.1'
}

@test "without its server a node goes by the withdrawal that it was told of last" {
	change withdraw 1.0 --reason 'it eats disks'
	node check
	mv repo gone
	refused 'it eats disks'
}

@test "an order takes out of what starts next what was withdrawn since it was chosen" {
	node rollback --quiet
	[ "$(next)" = 1.0 ]
	change withdraw 1.0 --reason 'it eats disks'
	node check
	[ "$(next)" = 1.0 ]
	node update --quiet | grep '^1.0, in the other slot, was withdrawn'
	[ "$(next)" = 1.1 ]
	[ "$(node status --json | jq -r .other.entry)" = null ]
}

@test "without its server a node fetches nothing, and says so" {
	node check
	node rollback --quiet
	mv repo gone
	run node update --quiet
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"repository file://$PWD/repo"* ]]
	[ "$(next)" = 1.0 ]
}

@test "what a node was told last is verified when it is gone by" {
	node check
	mv repo gone
	sed -i 's/"1.0"/"0.9"/' node/var/lib/orlop/update/releases.json
	refused 'what is known of the repository'
	sed -i 's/"0.9"/"1.0"/' node/var/lib/orlop/update/releases.json
	sed -i 's/"version":[0-9]*/"version":99/' node/var/lib/orlop/update/tuf/timestamp.json
	refused 'what is known of the repository'
}

@test "what is staged does not wait for a server that is away" {
	rm -r node
	node_root "$PWD/node" repo/metadata/1.root.json 1.0 "$made/b1" 1.1 "$made/b2" +0
	# Nobody restarts this machine: the release has to come next.
	settings "repository: file://$PWD/repo" 'channel: Unmanaged'
	[ "$(node status --json | jq -r .other.entry.state)" = staged ]
	node check
	mv repo gone
	[ "$(next)" = 1.0 ]
	node agent 3>&- &
	agent=$!
	for ((i = 0; i < 100; i++)); do
		[ "$(next)" != 1.1 ] || break
		read -rt 0.1 <> <(:) || true
	done
	end_agent
	wait $agent || true
	[ "$(next)" = 1.1 ]
	[ "$(node status --json | jq -r .other.entry.file)" = orlop_1.1+3-0.efi ]
}

@test "what is printed can be had as JSON" {
	node check --json | jq -e '.action == "nothing" and .version == null and .when == null and (.sentence | length) > 0'
	[ "$(node channel --json)" = '{
  "channel": "NodeImage"
}' ]
	[ "$(node channel SecurityPatch --json | jq -r .channel)" = SecurityPatch ]
	node channel --explain --json | jq -e '.channel == "SecurityPatch" and (.explanation | length) > 1'
	[ "$(node pin --json | jq .pin)" = null ]
	[ "$(node pin 1.0 --json | jq -r .pin)" = 1.0 ]
	[ "$(node pin --none --json | jq .pin)" = null ]
}

@test "a node that was never told anything goes back all the same" {
	mv repo gone
	node rollback --quiet
	[ "$(next)" = 1.0 ]
}

@test "wrong settings keep nobody from blessing, looking, or going back; what goes by them refuses" {
	settings 'repository: htp://x'
	for command in bless status history; do node "$command"; done
	for command in check pin update channel; do
		run node "$command"
		echo "$command: $output"
		[ "$status" = 1 ]
		[[ $output == *"node.yaml:1: repository"* ]]
	done
	node rollback --quiet
	[ "$(next)" = 1.0 ]
}

@test "wrong settings do not make the node forget the floor, and status tells of them" {
	change floor 1.1
	node check
	settings 'repository: htp://x'
	refused 'no version below 1.1'
	node status | grep '^settings .*node.yaml:1: repository'
	node status --json | jq -e '.settings_error | contains("node.yaml:1: repository")'
	settings "repository: file://$PWD/repo"
	node status --json | jq -e '.settings_error == null'
}

@test "settings that are wrong are put right by the verb that sets them" {
	settings "repository: file://$PWD/repo" 'channel: Nonsense'
	run node channel
	[ "$status" = 1 ]
	node channel Unmanaged
	[ "$(node channel)" = Unmanaged ]
	node check --quiet
}

@test "an agent with wrong settings goes on, and follows the right ones as soon as they are there" {
	settings 'repository: htp://x'
	node agent 3>&- >agent.log 2>&1 &
	agent=$!
	said 'node.yaml:1: repository'
	settings "repository: file://$PWD/repo"
	pkill -HUP -f "^$NODE agent"
	said 'nothing newer is published'
	end_agent
	wait $agent || true
}

# said TEXT: the agent says it before long
said() {
	local i
	for ((i = 0; i < 100; i++)); do
		! grep -q "$1" agent.log || return 0
		read -rt 0.1 <> <(:) || true
	done
	cat agent.log
	return 1
}

@test "status tells how long what the repository said holds, and when it does no more" {
	[ "$(node status --json | jq .metadata_expires)" = null ]
	node check
	expires=$(jq -r .signed.expires repo/metadata/timestamp.json)
	[ "$(node status --json | jq -r .metadata_expires)" = "$expires" ]
	node status | grep -x "valid  *until $expires"
	# In eight days, where it is valid for seven.
	if [ "$(id -u)" = 0 ]; then user=(setpriv --reuid=nobody --regid=nogroup --clear-groups); fi
	later() { "${user[@]}" faketime -f +8d env ORLOP_NODE_ROOT="$PWD/node" "$NODE" "$@"; }
	run later check --quiet
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *'timestamp.json: version '*' expired at '*'set the clock if it is wrong; otherwise the repository was not renewed'* ]]
	later status | grep '^valid  *no: what it said last expired at '
	[ "$(later status --json | jq -r .metadata_expires)" = "$expires" ]
}

@test "an error of the network says what to do" {
	settings 'repository: http://127.0.0.1:9'
	run node check --quiet
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *'repository http://127.0.0.1:9'*'does this machine reach that server? repository: and proxy: in /etc/orlop/node.yaml'* ]]
}

# slow_server: the repository, a byte a second; the node follows it
slow_server() {
	mkdir -p server/www
	cp -r repo server/www/repo
	chmod -R a+rX server
	nginx_start "$PWD/server" 'limit_rate 1;'
	settings "repository: $nginx_url/repo"
}

# at_work COMMAND: until status tells of it
at_work() {
	local i
	for ((i = 0; i < 100; i++)); do
		[ "$(node status --json | jq -r .at_work.command)" != "$1" ] || return 0
		read -rt 0.1 <> <(:) || true
	done
	return 1
}

@test "a slow server keeps nobody from going back: who waits for it is told of, and makes way" {
	slow_server
	node update --quiet >update.log 2>&1 3>&- &
	updating=$!
	at_work update
	node status | tee status
	grep '^at work .*(orlop-node update) is at work (ask the repository), since ' status
	run node check --quiet
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"(orlop-node update) is at work"* ]]
	begun=$SECONDS
	node rollback --quiet 2>rollback.log
	cat rollback.log
	[ $((SECONDS - begun)) -lt 40 ]
	grep -q 'is asked to make way' rollback.log
	grep -q 'going by what is known of it on this node' rollback.log
	[ "$(next)" = 1.0 ]
	status=0
	wait $updating || status=$?
	cat update.log
	[ "$status" = 1 ]
	grep -q 'made way for orlop-node rollback' update.log
	[ "$(node status --json | jq .at_work)" = null ]
}

@test "the agent makes way, and goes on" {
	slow_server
	node agent 3>&- >agent.log 2>&1 &
	agent=$!
	at_work agent
	node rollback --quiet
	[ "$(next)" = 1.0 ]
	for ((i = 0; i < 50; i++)); do
		! grep -q 'made way' agent.log || break
		read -rt 0.1 <> <(:) || true
	done
	end_agent
	wait $agent || true
	cat agent.log
	grep -q 'made way for somebody' agent.log
	run ! grep -q 'stopped' agent.log
}

@test "a node that was started from the network has no slots, says so, and nothing fails for it" {
	jq '. + {netboot: true, slot: null, disk: null}' node/run/orlop/boot.json >boot.json
	cp boot.json node/run/orlop/boot.json
	rm node/dev/vda
	node status | grep -qx 'running      1.1, started from the network'
	[ "$(node status --json | jq -r '.netboot, .version')" = true$'\n'1.1 ]
	node bless | grep -q 'no boot entry'
	for verb in update rollback check; do
		run node $verb --quiet
		echo "$verb: $output"
		[ "$status" = 1 ]
		[[ $output == *"was started from the network and has no slots: it runs 1.1 until its next start"* ]]
	done
	# What says that it was started from a disk needs one.
	jq '.netboot = false' boot.json >node/run/orlop/boot.json
	run node status
	[ "$status" = 1 ]
	[[ $output == *"boot.json: is not what orlop-init writes"* ]]
}
