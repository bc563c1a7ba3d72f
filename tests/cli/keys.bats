#!/usr/bin/env bats
# `orlop keys init` and `orlop keys rotate db`, with openssl as the judge of what they made.

load ../lib/token

setup() { cd "$BATS_TEST_TMPDIR"; }

setup_file() {
	export keys=$BATS_FILE_TMPDIR/keys
	(umask 000 && "$ORLOP" keys init "$keys")
}

@test "a set is the three pairs, the owner, the release keys and their root, and private keys are for the user alone whatever the umask" {
	[ "$(ls -A "$keys" | LC_ALL=C sort | tr '\n' ' ')" = 'KEK.crt KEK.key PK.crt PK.key db.crt db.key owner.guid root.json root.key snapshot.key targets.key timestamp.key ' ]
	[ "$(stat -c %a "$keys")" = 700 ]
	[ "$(stat -c %a "$keys"/*.key | sort -u)" = 600 ]
	grep -qxE '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}' "$keys/owner.guid"
}

@test "openssl finds RSA-2048 keys that belong to their certificates" {
	local name
	for name in PK KEK db; do
		openssl pkey -in "$keys/$name.key" -check -noout
		openssl pkey -in "$keys/$name.key" -noout -text | grep -q '^Private-Key: (2048 bit, 2 primes)'
		openssl pkey -in "$keys/$name.key" -pubout >of-key
		openssl x509 -in "$keys/$name.crt" -pubkey -noout >of-certificate
		cmp of-key of-certificate
		openssl verify -check_ss_sig -CAfile "$keys/$name.crt" "$keys/$name.crt"
	done
	[ "$(sha256sum "$keys"/*.key | cut -d' ' -f1 | sort -u | wc -l)" = 7 ]
	[ "$(for name in PK KEK db; do openssl x509 -in "$keys/$name.crt" -serial -noout; done | sort -u | wc -l)" = 3 ]
}

@test "the certificates can sign code and nothing else, from now on for decades" {
	local name
	for name in PK KEK db; do
		openssl x509 -in "$keys/$name.crt" -noout -text >text
		grep -q 'Version: 3' text
		grep -q 'Signature Algorithm: sha256WithRSAEncryption' text
		grep -A 1 'Basic Constraints: critical' text | grep -q 'CA:FALSE'
		[ "$(grep -A 1 'X509v3 Key Usage: critical' text | sed -n '2s/^ *//p')" = 'Digital Signature' ]
		[ "$(grep -A 1 'X509v3 Extended Key Usage' text | sed -n '2s/^ *//p')" = 'Code Signing' ]
		openssl x509 -in "$keys/$name.crt" -checkend $((20 * 365 * 86400))
		[ "$(date -d "$(openssl x509 -in "$keys/$name.crt" -startdate -noout | cut -d= -f2)" +%s)" -le "$(date +%s)" ]
	done
}

@test "openssl finds ed25519 keys, and root.json is a root of ten years that the first of them signed" {
	local name id
	for name in root targets snapshot timestamp; do
		[ "$(openssl pkey -in "$keys/$name.key" -noout -text | sed -n 1p)" = 'ED25519 Private-Key:' ]
		openssl pkey -in "$keys/$name.key" -pubout -outform DER | tail -c 32 | od -An -v -tx1 | tr -d ' \n' >"$name.hex"
		# The id is the digest of the key's canonical form: for plain text, what jq prints sorted and compact.
		id=$(jq -cj --rawfile public "$name.hex" -n '{keytype: "ed25519", keyval: {public: $public}, scheme: "ed25519"}' |
			sha256sum | cut -d' ' -f1)
		[ "$(jq -r ".signed.roles.$name | .keyids[], .threshold" "$keys/root.json" | tr '\n' ' ')" = "$id 1 " ]
		[ "$(jq -r ".signed.keys[\"$id\"].keyval.public" "$keys/root.json")" = "$(cat "$name.hex")" ]
	done
	[ "$(jq -c '.signed | ._type, .version, .consistent_snapshot' "$keys/root.json" | tr '\n' ' ')" = '"root" 1 true ' ]
	[ "$(date -d "$(jq -r .signed.expires "$keys/root.json")" +%s)" -gt $(($(date +%s) + 9 * 365 * 86400)) ]
	[ "$(stat -c %a "$keys/root.json")" = 644 ]
	jq -cj -S .signed "$keys/root.json" >signed
	# shellcheck disable=SC2059 # the bytes are in the format
	printf "$(jq -r '.signatures[0].sig' "$keys/root.json" | sed 's/../\\x&/g')" >signature
	openssl pkey -in "$keys/root.key" -pubout >public
	openssl pkeyutl -verify -pubin -inkey public -rawin -in signed -sigfile signature
}

@test "what is there is never overwritten, and a set is made whole or not at all" {
	local name
	cp -a "$keys" before
	run "$ORLOP" keys init "$keys"
	[ "$status" = 1 ]
	[[ $output == "orlop: $keys/PK.key exists already"* ]]
	diff -r before "$keys"
	for name in db.key owner.guid KEK.crt root.json targets.key; do
		mkdir "with-$name"
		echo mine >"with-$name/$name"
		run "$ORLOP" keys init "with-$name"
		[ "$status" = 1 ]
		[[ $output == "orlop: with-$name/$name exists already"* ]]
		[ "$(ls -A "with-$name")" = "$name" ]
		[ "$(cat "with-$name/$name")" = mine ]
	done
}

@test "a dangling link in a key's place is not written through" {
	mkdir set
	ln -s ../elsewhere set/db.key
	run "$ORLOP" keys init set
	[ "$status" = 1 ]
	[[ $output == *"set/db.key exists already"* ]]
	[ ! -e elsewhere ]
}

@test "other files beside the keys are left alone" {
	mkdir set
	echo notes >set/notes
	"$ORLOP" keys init set
	[ "$(cat set/notes)" = notes ]
	[ "$(ls -A set | wc -l)" = 13 ]
}

@test "parents are made, and the folder has a default" {
	"$ORLOP" keys init new/parents/set/
	[ "$(stat -c %a new/parents/set)" = 700 ]
	run env HOME="$PWD/home" XDG_DATA_HOME="$PWD/data" "$ORLOP" keys init
	[ "$output" = "Made PK, KEK, db and the release keys in $PWD/data/orlop/keys" ]
	[ -s data/orlop/keys/db.key ]
	run env -u XDG_DATA_HOME HOME="$PWD/home" "$ORLOP" keys init
	[ -s home/.local/share/orlop/keys/db.key ]
	# A relative one is to be ignored, says the specification of base directories.
	run env XDG_DATA_HOME=relative HOME="$PWD/other" "$ORLOP" keys init
	[ -s other/.local/share/orlop/keys/db.key ]
	[ ! -e relative ]
	run env -u XDG_DATA_HOME -u HOME "$ORLOP" keys init
	[ "$status" = 1 ]
	[[ $output == *'$HOME'* ]]
}

@test "a place that cannot be written to is named, and nothing is left" {
	: >file
	run "$ORLOP" keys init file
	[ "$status" = 1 ]
	[[ $output == 'orlop: file'*'Not a directory' ]]
	run "$ORLOP" keys init file/set
	[ "$status" = 1 ]
	[[ $output == 'orlop: file'*'Not a directory' ]]
	run "$ORLOP" keys init /proc/set
	[ "$status" = 1 ]
	[[ $output == 'orlop: /proc/set'* ]]
	[ "$(ls -A)" = file ]
}

@test "a read-only file system is named, and nothing is left" {
	local as_root=()
	[ "$(id -u)" = 0 ] || as_root=(--user --map-root-user)
	unshare "${as_root[@]}" --mount true 2>/dev/null || skip "no mount namespaces here"
	mkdir place
	run unshare "${as_root[@]}" --mount bash -c '
		mount -t tmpfs -o size=1M none place && mkdir place/set && mount -o remount,ro place || exit 99
		"$ORLOP" keys init place/set; status=$?
		ls -A place/set
		exit $status'
	[ "$status" = 1 ]
	[ "$output" = 'orlop: place/set: Read-only file system' ]
}

@test "a full disk is named, and nothing is left" {
	local as_root=()
	[ "$(id -u)" = 0 ] || as_root=(--user --map-root-user)
	unshare "${as_root[@]}" --mount true 2>/dev/null || skip "no mount namespaces here"
	mkdir place
	run unshare "${as_root[@]}" --mount bash -c '
		mount -t tmpfs -o size=16K none place || exit 99
		head -c 12K /dev/zero >place/other
		"$ORLOP" keys init place/set; status=$?
		ls -A place
		exit $status'
	[ "$status" = 1 ]
	[[ ${lines[0]} == 'orlop: place/set'*': No space left on device' ]]
	[ "${lines[1]}" = other ]
	[ ${#lines[@]} = 2 ]
}

@test "with a passphrase all keys are encrypted, and openssl opens them with it alone" {
	local name
	(umask 077 && echo 'open sesame' >passphrase)
	"$ORLOP" keys init --passphrase-file passphrase set
	for name in PK KEK db root targets snapshot timestamp; do
		[ "$(head -n 1 "set/$name.key")" = '-----BEGIN ENCRYPTED PRIVATE KEY-----' ]
		openssl pkey -in "set/$name.key" -passin file:passphrase -noout
		! openssl pkey -in "set/$name.key" -passin pass:open -noout 2>/dev/null || return 1
	done
	openssl pkey -in set/db.key -passin file:passphrase -pubout >public
	openssl x509 -in set/db.crt -pubkey -noout | cmp public -
	run "$ORLOP" keys init --passphrase other </dev/null
	[ "$status" = 1 ]
	[[ $output == *'there is no passphrase for the new keys'* ]]
	[ ! -e other ]
}

@test "keys that are there, in files or a token, are taken, and what belongs to them is made" {
	make_token "$PWD"
	cp "$keys/db.key" db.key
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out targets.key
	move_to_token 01 db db.key
	move_to_token 02 targets targets.key
	"$ORLOP" keys init --key db="$(cat db.key)" --key targets="$(cat targets.key)" --key PK="$keys/PK.key" set
	cmp set/PK.key "$keys/PK.key"
	cmp set/db.key db.key
	openssl x509 -in "$keys/db.crt" -pubkey -noout >public
	openssl x509 -in set/db.crt -pubkey -noout | cmp public -
	openssl verify -check_ss_sig -CAfile set/db.crt set/db.crt
	[ "$(jq -r '.signed.roles.targets.keyids[0] as $id | .signed.keys[$id].keytype' set/root.json)" = ecdsa ]
	[ "$(stat -c %a set/db.key)" = 600 ]
	run "$ORLOP" keys init --key dbx="$keys/db.key" other
	[ "$status" = 2 ]
	run "$ORLOP" keys init --key db="$keys/root.key" other
	[ "$status" = 1 ]
	[[ $output == *'root.key: the key is not RSA of at least 2048 bits'* ]]
	run "$ORLOP" keys init --key db='pkcs11:token=orlop;object=none;type=private' other
	[ "$status" = 1 ]
	[[ $output == *'the token has no such private key' ]]
	[ ! -e other ]
}

@test "rotate db makes a pair that is enrolled first, and changes places with it then" {
	cp -r "$keys" set
	[ "$("$ORLOP" keys rotate db --enrol --keys set)" = 'Made set/db.key.new: builds enrol its certificate from now on, and sign with db.key' ]
	cmp set/db.key "$keys/db.key"
	cp set/db.key.new new
	[ "$("$ORLOP" keys rotate db --keys set)" = 'Changed db.key in set: the key before it is db.key.1, and builds enrol db.crt.1 as well' ]
	cmp set/db.key new
	cmp set/db.key.1 "$keys/db.key"
	cmp set/db.crt.1 "$keys/db.crt"
	openssl pkey -in set/db.key -pubout >public
	openssl x509 -in set/db.crt -pubkey -noout | cmp public -
	run "$ORLOP" keys rotate db --keys none
	[ "$status" = 1 ]
	[[ $output == *'none/db.crt is missing: make keys with'* ]]
	run "$ORLOP" keys rotate db --keys set --to repository
	[ "$status" = 2 ]
	run "$ORLOP" keys rotate targets --enrol --to repository
	[ "$status" = 2 ]
}
