#!/usr/bin/env bats
# The block transfer of updates from end to end: files made by veritysetup, served by nginx, brought into slots, and judged by
# veritysetup and cmp. The images are random: what they hold is nothing to the transfer.

setup_file() {
	local blocks=3000
	# shellcheck source=tests/lib/nginx.bash
	. "$BATS_TEST_DIRNAME/../lib/nginx.bash"
	export bench=${ORLOP%/*}/tests/bench/bench-delta images=$BATS_FILE_TMPDIR
	cd "$images" || return 1
	# Three releases: the second one with a run of other blocks, changed bytes, and all behind them moved by 3 blocks.
	openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c $((blocks * 2048)) | od -An -v -tx1 | tr -d ' \n' |
		head -c $((blocks * 4096)) >one
	{
		head -c $((500 * 4096)) one
		head -c $((40 * 4096)) one | tr 0-9 a-j
		tail -c +$((537 * 4096 + 1)) one | sed 's/00ff/11ee/g'
	} >two
	{ head -c $((900 * 4096)) two | tr 7 8; tail -c +$((900 * 4096 + 1)) two; } >three
	for image in one two three; do
		[ $(($(stat -c %s $image) % 4096)) = 0 ]
		veritysetup format --salt=$(printf '%064d' 7) --uuid=00112233-4455-6677-8899-aabbccddeeff $image $image.tree |
			sed -n 's/^Root hash:[ \t]*//p' >$image.root
	done
	"$bench" publish --level 3 www/three three three.tree two two.tree
	nginx_start "$images"
	export url=$nginx_url/three nginx_folder
}

teardown_file() {
	# shellcheck source=tests/lib/nginx.bash
	. "$BATS_TEST_DIRNAME/../lib/nginx.bash"
	nginx_stop
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	cp "$images/one" slot
	cp "$images/one.tree" slot.tree
	truncate -s 16M slot
	truncate -s 1M slot.tree
}

# update [OPTION…]: brings the third release into the slot of a node that runs the second.
update() {
	"$bench" update "$@" "$images/www/three" "$url" slot slot.tree "$images/two" "$images/two.tree"
}

judge() {
	veritysetup verify slot slot.tree "$(cat "$images/three.root")"
	cmp -n "$(stat -c %s "$images/three")" slot "$images/three"
	cmp -n "$(stat -c %s "$images/three.tree")" slot.tree "$images/three.tree"
}

@test "an update takes own blocks, a tree delta and a patch" {
	update >result
	judge
	[ "$(jq '.tree_delta, .blocks.fetched, .requests, .rounds' result | tr '\n' ' ')" = 'true 0 3 1 ' ]
	[ "$(jq '.blocks.from_active > 1500 and .blocks.patched > 100' result)" = true ]
}

@test "it takes less over the wire than the compressed image, and nginx has sent what is told" {
	local before after
	before=$(wc -l <"$nginx_folder/access.log")
	update >result
	[ "$(jq '.bytes.bodies' result)" -lt $(($(stat -c %s "$images/www/three/usr.blocks.zst") / 4)) ]
	after=$(wc -l <"$nginx_folder/access.log")
	[ $((after - before)) = "$(jq .requests result)" ]
	tail -n $((after - before)) "$nginx_folder/access.log" | awk '{ s += $10 } END { print s }' >sent
	[ "$(cat sent)" = "$(jq .bytes.bodies result)" ]
}

@test "it works without patch, without tree delta, without a running slot, and with little windows" {
	update --no-patch >/dev/null
	judge
	truncate -s 0 slot slot.tree
	truncate -s 16M slot
	truncate -s 1M slot.tree
	update --no-patch --no-tree-delta --window 700 >/dev/null
	judge
	truncate -s 0 slot slot.tree
	truncate -s 16M slot
	truncate -s 1M slot.tree
	"$bench" update "$images/www/three" "$url" slot slot.tree >result
	judge
	[ "$(jq .blocks.fetched result)" -gt 2900 ]
}

@test "a second update finds everything and fetches nothing" {
	update >/dev/null
	update >result
	[ "$(jq '.blocks.kept == .blocks.all and .tree_kept and .requests == 0' result)" = true ]
}

@test "an update that is killed again and again gets there, and keeps what it had" {
	local i
	# Where the machine is busy with other things, a dozen times can be over before anything is written: then each dozen has a second more.
	for ((i = 0; i < 60; i++)); do
		[ $i -lt 12 ] || cmp -sn "$(stat -c %s "$images/one")" slot "$images/one" || break
		timeout -s KILL "$((i / 12)).$(printf '%02d' $((RANDOM % 40 + 1)))" "$bench" update --rate 400K --no-patch \
			"$images/www/three" "$url" slot slot.tree "$images/two" "$images/two.tree" >/dev/null 2>&1 || true
	done
	update >result
	judge
	[ "$(jq '.blocks.kept' result)" -gt 0 ]
}

@test "damage in the old slot and in the running one is made good" {
	local i
	cp "$images/two" two
	cp "$images/two.tree" two.tree
	for i in $(seq 60); do
		printf 'damage' | dd of=slot bs=1 seek=$((RANDOM * 300)) conv=notrunc status=none
		printf 'damage' | dd of=two bs=1 seek=$((RANDOM * 300)) conv=notrunc status=none
	done
	"$bench" update "$images/www/three" "$url" slot slot.tree two two.tree >result
	judge
	[ "$(jq '.blocks.damaged' result)" -gt 0 ]
}

@test "what is not the release is not written" {
	local file i
	cp -r "$images/www/three" "$images/www/bad"
	# Damage all over each file, but for what stands at its end.
	for file in "$images"/www/bad/*.zst; do
		for i in $(seq 5000 10000 $(($(stat -c %s "$file") - 5000))); do
			printf 'damage' | dd of="$file" bs=1 seek="$i" conv=notrunc status=none
		done
	done
	run "$bench" update --no-patch --no-tree-delta "$images/www/bad" "${url%three}bad" slot slot.tree
	[ "$status" = 1 ]
	[[ $output == *'usr.verity.zst: '* ]]
	cmp slot <(cat "$images/one"; head -c $((16777216 - $(stat -c %s "$images/one"))) /dev/zero)
	cp "$images/three.tree" slot.tree
	run "$bench" update --no-patch "$images/www/bad" "${url%three}bad" slot slot.tree
	[ "$status" = 1 ]
	[[ $output == *'usr.blocks.zst: what the server has is not the release'* ]]
}

@test "a server without ranges will do" {
	# shellcheck source=tests/lib/nginx.bash
	. "$BATS_TEST_DIRNAME/../lib/nginx.bash"
	mkdir server
	cp -r "$images/www" server/www
	nginx_start "$PWD/server" 'max_ranges 0;'
	url=$nginx_url/three
	update --no-patch >result
	judge
	[ "$(jq .whole result)" = true ]
	came_once
	# Nothing to start from.
	rm slot slot.tree
	truncate -s 16M slot
	truncate -s 1M slot.tree
	"$bench" update --no-patch "$images/www/three" "$url" slot slot.tree >result
	judge
	came_once
	# Little is missing, near the beginning: the rest needs not come.
	dd if=/dev/urandom of=slot bs=4096 seek=10 count=5 conv=notrunc status=none
	"$bench" update --no-patch "$images/www/three" "$url" slot slot.tree >result
	judge
	[ "$(jq .bytes.bodies result)" -lt 1000000 ]
	# What it sends is proved all the same.
	dd if=/dev/urandom of=server/www/three/usr.blocks.zst bs=4096 seek=300 count=2 conv=notrunc status=none
	cp "$images/one" slot
	cp "$images/three.tree" slot.tree
	truncate -s 16M slot
	run "$bench" update --no-patch "$images/www/three" "$url" slot slot.tree
	nginx_stop
	[ "$status" = 1 ]
	[[ $output == *'usr.blocks.zst: what the server has is not the release: '* ]]
}

# came_once: the compressed image did, with what else was needed, and a little of an answer that was not taken
came_once() {
	jq .bytes.bodies result
	[ "$(jq .bytes.bodies result)" -lt $(($(cat server/www/three/usr.{blocks,verity}.zst | wc -c) + 300000)) ]
}

@test "TLS with HTTP/2, and a certificate that nobody signed is refused" {
	# shellcheck source=tests/lib/nginx.bash
	. "$BATS_TEST_DIRNAME/../lib/nginx.bash"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out crt -subj /CN=orlop -addext subjectAltName=IP:127.0.0.1 \
		-days 2 2>/dev/null
	mkdir server
	cp -r "$images/www" server/www
	NGINX_LISTEN='ssl http2' nginx_start "$PWD/server" "ssl_certificate $PWD/crt;" "ssl_certificate_key $PWD/key;"
	run "$bench" update "$images/www/three" "$nginx_url/three" slot slot.tree
	[ "$status" = 1 ]
	[[ $output == *certificate* ]]
	"$bench" update --no-patch --cacert crt "$images/www/three" "$nginx_url/three" slot slot.tree >/dev/null
	nginx_stop
	judge
	grep -q 'HTTP/2.0' server/nginx/access.log
}

@test "a proxy from the environment is used" {
	# What a proxy gets is a request for the whole URL; nobody else knows this host.
	# shellcheck source=tests/lib/nginx.bash
	. "$BATS_TEST_DIRNAME/../lib/nginx.bash"
	http_proxy=${url%/three} "$bench" update --no-patch "$images/www/three" http://nowhere.invalid/three slot slot.tree >/dev/null
	judge
}

@test "direct access to the slot works" {
	update --direct >/dev/null || skip "the file system has no O_DIRECT"
	judge
}

@test "a process without rights does it too, over HTTP, TLS and a file: URL" {
	local source
	# shellcheck source=tests/lib/nginx.bash
	. "$BATS_TEST_DIRNAME/../lib/nginx.bash"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out crt -subj /CN=orlop -addext subjectAltName=IP:127.0.0.1 \
		-days 2 2>/dev/null
	mkdir server
	cp -r "$images/www" server/www
	# The worker is another user where this is root.
	chmod -R a+rX . server
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.."
	NGINX_LISTEN='ssl http2' nginx_start "$PWD/server" "ssl_certificate $PWD/crt;" "ssl_certificate_key $PWD/key;"
	run "$bench" update --worker "$images/www/three" "$nginx_url/three" slot slot.tree
	[ "$status" = 1 ]
	[[ $output == *certificate* ]]
	for source in "$nginx_url/three" "$url" "file://$PWD/server/www/three"; do
		cp "$images/one" slot
		truncate -s 16M slot
		truncate -s 0 slot.tree
		truncate -s 1M slot.tree
		"$bench" update --worker --no-patch --cacert crt "$images/www/three" "$source" slot slot.tree >result
		judge
		[ "$(jq '.blocks.fetched > 500 and .bytes.bodies > 0' result)" = true ]
	done
	nginx_stop
	grep -q 'HTTP/2.0' server/nginx/access.log
}
