#!/usr/bin/env bats
# Whoever has the keys, and wherever: files with and without a passphrase, a token, another machine. The image is the
# same to the bit. openssl, pkcs11-tool, sbverify and efitools are the judges.

load ../lib/image
load ../lib/small
load ../lib/token

setup_file() {
	small_edition "$BATS_FILE_TMPDIR"
	export reference=$BATS_FILE_TMPDIR/reference left=$BATS_FILE_TMPDIR/left certificates=$BATS_FILE_TMPDIR/certificates
	export -f build_small
	mkdir "$certificates"
	cp "$ORLOP_TEST_KEYS"/{*.crt,owner.guid,root.json} "$certificates"
	build_small --keys "$ORLOP_TEST_KEYS" --output "$reference"
	build_small --keys "$certificates" --sign-later "$left" >"$BATS_FILE_TMPDIR/said"
}

setup() { cd "$BATS_TEST_TMPDIR"; }

# With another format, which whoever ends the build or signs it has to be told by the folder.
build_small() { "$ORLOP" build "$edition" --offline --quiet --cache "$cache" --version 202601.02.3 --format vhd "$@"; }

# What openssl alone makes of a folder: each request is signed with the key that stands beside the certificate it names, …
sign_requests() { # DIR
	local certificate data signature
	while read -r certificate data signature; do
		openssl dgst -sha256 -sign "$ORLOP_TEST_KEYS/${certificate%.crt}.key" -out "$1/$signature" "$1/$data"
	done < <(jq -r '.requests[] | "\(.certificate) \(.data) \(.signature)"' "$1/signing.json")
}

# … and, when the outputs are made of these, the provenance.
sign_provenance() { # DIR
	unsigned "$1: the last signature is missing: provenance.sig" finish "$1" nothing
	openssl dgst -sha256 -sign "$ORLOP_TEST_KEYS/db.key" -out "$1/provenance.sig" "$1/provenance.tbs"
}

sign_with_openssl() { # DIR
	sign_requests "$1"
	sign_provenance "$1"
}

finish() { "$ORLOP" build --finish "$1" --keys "$certificates" --quiet --output "${2:-out}"; }

# refused TEXT COMMAND…: it fails with one line that has the text, and out/ holds nothing.
refused() {
	local text=$1
	shift
	run "$@"
	echo "$output"
	[ "$status" = 1 ] && [ "${#lines[@]}" = 1 ] && [[ $output == "orlop: "*"$text"* ]] || return 1
	[ ! -e out ] || [ -z "$(ls -A out)" ]
}

# unsigned TEXT COMMAND…: signatures are missing, which is another status, and nothing is there besides.
unsigned() {
	local text=$1
	shift
	run "$@"
	echo "$output"
	[ "$status" = 3 ] && [ "${#lines[@]}" = 1 ] && [[ $output == "orlop: "*"$text"* ]] || return 1
	[ -z "$(find out nothing -mindepth 1 2>/dev/null)" ]
}

@test "an image that keys in a token sign is that of the same keys in files, to the bit" {
	cp -r "$ORLOP_TEST_KEYS" keys
	make_token "$PWD"
	move_to_token 01 PK keys/PK.key
	move_to_token 02 KEK keys/KEK.key
	move_to_token 03 db keys/db.key
	build_small --keys keys --output out
	diff -r "$reference" out
}

@test "a token that is not there, a wrong PIN and another key are told apart before anything is made" {
	cp -r "$ORLOP_TEST_KEYS" keys
	make_token "$PWD"
	move_to_token 01 PK keys/PK.key
	echo 'pkcs11:token=none;object=PK;type=private' >keys/PK.key
	refused 'keys/PK.key: pkcs11:token=none;object=PK;type=private: there is no such token' \
		env -u ORLOP_PIN_FILE "$ORLOP" build "$edition" --offline --quiet --cache "$cache" --keys keys --output out </dev/null
	echo 'pkcs11:token=orlop;object=none;type=private' >keys/PK.key
	refused 'the token has no such private key' build_small --keys keys --output out
	echo 'pkcs11:token=orlop;object=PK;type=private' >keys/PK.key
	echo 4321 >wrong
	chmod 600 wrong
	refused 'the token does not take the PIN' build_small --keys keys --output out --pin-file wrong
	[[ $output != *4321* ]]
	cp keys/PK.key keys/db.key
	refused 'keys/db.crt: the private key does not belong to the certificate' build_small --keys keys --output out
}

@test "what is left to be signed needs no private key, says what it is, and openssl alone makes the same image of it" {
	[[ $(cat "$BATS_FILE_TMPDIR/said") == "$left: to be signed, "*"SHA-256 $(sha256sum <"$left/signing.json" | cut -d' ' -f1)"* ]]
	[ -z "$(ls "$left" | grep -E 'key$|raw$|sig$')" ]
	[ "$(jq -r '.requests[].name' "$left/signing.json" | tr '\n' ' ')" = 'root-hash kernel-image boot-loader pk-update kek-update db-update ' ]
	[ "$(jq -r '.requests[].certificate' "$left/signing.json" | tr '\n' ' ')" = 'db.crt db.crt db.crt PK.crt PK.crt KEK.crt ' ]
	[ "$(cat "$left/root-hash.tbs")" = "$(jq -r .root_hash "$reference"/*.manifest.json)" ]
	(cd "$left" && jq -r '(.files[] | "\(.sha256)  \(.name)"), (.requests[] | "\(.data_sha256)  \(.data)")' signing.json | sha256sum --quiet -c)
	cp -r "$left" left
	sign_requests left
	sign_provenance left
	finish left
	diff -r "$reference" out
	# Once more, from the same folder.
	finish left again
	diff -r "$reference" again
}

@test "pkcs11-tool makes the same signatures of it" {
	local name
	make_token "$PWD"
	cp "$ORLOP_TEST_KEYS/db.key" .
	move_to_token 03 db db.key
	cp -r "$left" left
	sign_with_openssl left
	for name in root-hash kernel-image boot-loader provenance; do
		pkcs11-tool --module "$token_module" --token-label orlop --login --pin 1234 --label db --sign \
			--mechanism SHA256-RSA-PKCS --input-file "left/$name.tbs" --output-file signature
		cmp signature "left/$name.sig"
	done
}

@test "orlop keys sign shows what it signs, asks, and several machines sign with a part of the keys each" {
	local name
	cp -r "$left" left
	run "$ORLOP" keys sign left --keys "$ORLOP_TEST_KEYS" --show
	[ "$status" = 0 ]
	[[ $output == "small 202601.02.3 for amd64, root hash $(jq -r .root_hash "$reference"/*.manifest.json)"* ]]
	[[ $output == *"command line: $(jq -r .command_line "$reference"/*.manifest.json)"* ]]
	[[ $output == *"Authenticode digest $(sbattach --detach sig "$reference"/*.efi && openssl asn1parse -inform DER -in sig |
		grep -oE '\[HEX DUMP\]:[0-9A-F]{64}' | head -n 1 | cut -d: -f2 | tr A-F a-f)"* ]]
	[[ $output == *"as db: CN=Orlop signature database key (SHA-256 $(openssl x509 -in "$certificates/db.crt" -outform DER | sha256sum | cut -d' ' -f1))"* ]]
	[[ $output == *'provenance    the outputs, when all others are made'* ]]
	refused_now=$("$ORLOP" keys sign left --keys "$ORLOP_TEST_KEYS" </dev/null 2>&1 >/dev/null) && return 1
	[[ $refused_now == *'nobody said yes'* ]]
	[ -z "$(ls left | grep 'sig$')" ]
	for name in PK KEK db; do
		mkdir "$name"
		cp "$ORLOP_TEST_KEYS/$name".* "$name"
	done
	"$ORLOP" keys sign left --keys db --yes | grep -qx 'Made 3 signatures in left; still missing: pk-update, kek-update, db-update, provenance'
	unsigned 'left: signatures are missing: pk-update.sig, kek-update.sig, db-update.sig' finish left
	"$ORLOP" keys sign left --keys PK --yes
	"$ORLOP" keys sign left --keys KEK --yes | grep -qx 'Made 1 signature in left; still missing: provenance'
	# The outputs need not have been made anywhere before.
	[ ! -e left/provenance.tbs ]
	"$ORLOP" keys sign left --keys db --yes | grep -q '^Made 4 signatures in left, which now has all of them'
	[ -z "$(find left -name '.*' -mindepth 1)" ]
	finish left
	diff -r "$reference" out
	"$ORLOP" keys init foreign
	run "$ORLOP" keys sign left --keys foreign --yes
	[ "$status" = 1 ]
	[[ $output == *'orlop: foreign has no key of the certificates in left'* ]]
}

@test "signatures that are missing, swapped, cut off, damaged, of another key or of nothing are named" {
	cp -r "$left" left
	unsigned 'left: signatures are missing: root-hash.sig' finish left
	sign_with_openssl left
	cp -r left good
	rm left/boot-loader.sig
	unsigned 'left: signatures are missing: boot-loader.sig' finish left
	cp good/kernel-image.sig left/boot-loader.sig
	refused 'the signature boot-loader is not one of CN=Orlop signature database key' finish left
	cp good/boot-loader.sig left
	truncate -s 255 left/root-hash.sig
	refused 'the signature root-hash has 255 bytes, and not the 256' finish left
	: >left/root-hash.sig
	refused 'left/root-hash.sig: is empty' finish left
	cp good/root-hash.sig left
	flip_byte left/db-update.sig 100
	refused 'the signature db-update is not one of CN=Orlop key exchange key' finish left
	openssl dgst -sha256 -sign "$ORLOP_TEST_KEYS/PK.key" -out left/db-update.sig left/db-update.tbs
	refused 'the signature db-update is not one of CN=Orlop key exchange key' finish left
	# An unpadded or otherwise padded signature is none that firmware takes.
	openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sign "$ORLOP_TEST_KEYS/KEK.key" -out left/db-update.sig left/db-update.tbs
	refused 'the signature db-update is not one of' finish left
	cp good/db-update.sig left
	cp good/db-update.sig left/more.sig
	refused 'left/more.sig: no signature that was asked for' finish left
	rm left/more.sig
	openssl dgst -sha256 -sign "$ORLOP_TEST_KEYS/KEK.key" -out left/provenance.sig left/provenance.tbs
	refused 'the signature provenance is not one of CN=Orlop signature database key' finish left
	# A signer that has the keys makes it anew, but takes no wrong one of somebody else.
	cp -r left again
	"$ORLOP" keys sign again --keys "$ORLOP_TEST_KEYS" --yes
	diff good again
	cp good/pk-update.sig again/kek-update.sig
	mkdir db
	cp "$ORLOP_TEST_KEYS"/db.* db
	run "$ORLOP" keys sign again --keys db --yes
	[ "$status" = 1 ]
	[[ $output == *'the signature kek-update is not one of CN=Orlop platform key'* ]]
	cp good/provenance.sig left
	ln -sf /dev/zero left/db-update.sig
	refused 'left/db-update.sig' finish left
	rm left/db-update.sig
	cp good/db-update.sig left
	finish left
	diff -r "$reference" out
}

# Where in the file "initrd" the content of what is carried begins: behind its name, a NUL, and zeros up to a multiple of four.
carried() { # NAME
	local at
	at=$(grep -abom1 "carried/$1" initrd | head -n 1 | cut -d: -f1)
	echo $(((at + ${#1} + 8 + 1 + 3) / 4 * 4))
}

@test "the kernel image for the network is signed as a whole, and has the same /usr in its initrd" {
	local netboot file
	build_small --keys "$ORLOP_TEST_KEYS" --netboot memory --output out
	netboot=$(echo out/*.netboot.efi)
	sbverify --cert "$ORLOP_TEST_KEYS/db.crt" "$netboot"
	objcopy -O binary --only-section=.initrd "$netboot" initrd
	for file in usr.erofs usr.verity; do cmp -n "$(stat -c %s out/*.$file)" initrd out/*.$file "$(carried $file)" 0; done
	[ "$(tail -c +$(($(carried usr.signature) + 1)) initrd | head -c 65536 | tr -d '\0' | jq -r .rootHash)" = "$(jq -r .root_hash out/*.manifest.json)" ]
	objcopy -O binary --only-section=.cmdline "$netboot" cmdline
	[ "$(tr -d '\0' <cmdline)" = "$(jq -r .command_line out/*.manifest.json)" ]
	[ "$(sha256sum <"$netboot" | cut -d' ' -f1)" = "$(jq -r '.outputs[] | select(.kind == "netboot").sha256' out/*.manifest.json)" ]
	# One changed byte of /usr, and the signature is of something else.
	flip_byte "$netboot" $(($(stat -c %s "$netboot") / 2))
	! sbverify --cert "$ORLOP_TEST_KEYS/db.crt" "$netboot" || return 1
}

@test "the kernel image for the network is signed when the root hash is, by others in a round of its own or by orlop keys sign at once" {
	local netboot other
	build_small --keys "$ORLOP_TEST_KEYS" --netboot disk --output expected
	build_small --keys "$certificates" --netboot disk --sign-later left
	netboot=$(echo expected/*.netboot.efi)
	[ "$(ls expected | wc -l)" = 10 ]
	[ "$(jq -r '.netboot.state, (.netboot.pcrs.sha256 | keys | join(" "))' expected/*.manifest.json)" = disk$'\n''11 12 4 9' ]
	# Nothing of the image for disks changes by it.
	cmp expected/*64.efi "$reference"/*.efi
	cp -r left by-openssl
	sign_requests by-openssl
	unsigned 'by-openssl: the last but one signature is missing: netboot-image.sig' finish by-openssl nothing
	openssl dgst -sha256 -sign "$ORLOP_TEST_KEYS/db.key" -out by-openssl/netboot-image.sig by-openssl/netboot-image.tbs
	sign_provenance by-openssl
	finish by-openssl
	diff -r expected out
	sbverify --cert "$ORLOP_TEST_KEYS/db.crt" "$netboot"

	cp -r left by-orlop
	"$ORLOP" keys sign by-orlop --keys "$ORLOP_TEST_KEYS" --yes >said
	grep -q '^netboot-image' said
	grep -q '^Made 8 signatures in by-orlop, which now has all of them' said
	finish by-orlop again
	diff -r expected again

	# One that starts with another command line, or is not there, is none.
	cp -r left other
	sed -i 's/quiet usrhash=/debug usrhash=/' other/netboot-image.efi
	jq --arg sum "$(sha256sum <other/netboot-image.efi | cut -d' ' -f1)" '(.files[] | select(.name == "netboot-image.efi").sha256) = $sum' \
		left/signing.json >other/signing.json
	rm -rf out
	refused 'netboot-image.efi: has another command line than kernel-image.efi' "$ORLOP" keys sign other --keys "$ORLOP_TEST_KEYS" --yes
	jq 'del(.files[] | select(.name == "netboot-image.efi"))' left/signing.json >other/signing.json
	refused 'files: netboot-image.efi is missing' "$ORLOP" keys sign other --keys "$ORLOP_TEST_KEYS" --yes
}

@test "what is signed of the outputs names every one of them by its digest, as of a build with the keys at hand" {
	local statement=statement.json
	cp -r "$left" left
	[ "$(jq '.subject | length' left/provenance.json)" = 0 ]
	sign_with_openssl left
	# DSSEv1 28 TYPE LENGTH PAYLOAD
	[ "$(head -c 38 left/provenance.tbs)" = 'DSSEv1 28 application/vnd.in-toto+json' ]
	cut -d' ' -f5- left/provenance.tbs >$statement
	jq -r .payload "$reference"/*.provenance.json | openssl base64 -d -A | cmp - <(head -c -1 $statement)
	(cd "$reference" && jq -r '.subject[] | select(.digest.sha256) | "\(.digest.sha256)  \(.name)"' "$OLDPWD/$statement" | sha256sum --quiet -c)
	[ "$(jq -r '.subject[].name' $statement | sort)" = "$(cd "$reference" && find . -type f -not -name '*.provenance.json' -printf '%P\n' | sort)" ]
}

@test "a folder that was changed is refused, by the signer and by the builder" {
	local file edit text
	cp -r "$left" good
	sign_requests good
	for file in $(jq -r '.files[].name' good/signing.json); do
		rm -rf left
		cp -r good left
		flip_byte "left/$file" 30
		echo "$file"
		refused "$file: another file than signing.json names" finish left
		refused "$file: another file than signing.json names" "$ORLOP" keys sign left --keys "$ORLOP_TEST_KEYS" --yes
		truncate -s 20 "left/$file"
		refused "left/$file: 20 bytes, and not the" finish left
		rm "left/$file"
		refused "left/$file: No such file" finish left
		mkfifo "left/$file"
		refused "left/$file: no regular file" finish left
		rm "left/$file"
		ln -s "../good/$file" "left/$file"
		refused "left/$file: Too many levels of symbolic links" finish left
	done
	while IFS='|' read -r edit text; do
		rm -rf left
		cp -r good left
		jq "$edit" good/signing.json >left/signing.json
		echo "$edit"
		refused "$text" finish left
		refused "$text" "$ORLOP" keys sign left --keys "$ORLOP_TEST_KEYS" --yes
	done <<-'END'
		.root_hash = ("00" * 32)|the kernel image does not start the root hash 0000
		.version = "202601.03.0"|manifest.json: version is not that of the image
		.version = "../../x"|left: version: not a version
		.edition = "other"|manifest.json: edition is not that of the image
		.edition = "../x"|left: edition: no name of an edition
		.architecture = "mips"|left: architecture: not amd64 or arm64
		.files[0].name = "../PK.crt"|left: files[0].name: no name of a file in the folder
		.files[0].name = "KEK.crt"|left: files[1].name: is there twice
		.files[0].size = 1|bytes, and not the 1 that signing.json says
		.files = []|signing.json: files: kernel-image.efi is missing
		.requests = []|signing.json: requests: 0 signatures, but the files need 6
		.requests[1].data_sha256 = ("00" * 32)|signing.json: requests[1]: not what the files need
		.requests[0].certificate = "PK.crt"|signing.json: requests[0]: not what the files need
		.format = 2|a newer orlop is needed
		.disk.usr = -1|left: disk.usr
		del(.disk)|left: disk.
	END
	# What a signer would say of another edition.
	rm -rf left
	cp -r good left
	sed 's/"edition": "small"/"edition": "other"/' good/provenance.json >left/provenance.json
	jq --arg digest "$(sha256sum <left/provenance.json | cut -d' ' -f1)" --argjson size "$(stat -c %s left/provenance.json)" \
		'(.files[] | select(.name == "provenance.json")) |= (.sha256 = $digest | .size = $size)' good/signing.json >left/signing.json
	refused 'left: provenance.json: edition is not that of the image' finish left
	refused 'left: provenance.json: edition is not that of the image' "$ORLOP" keys sign left --keys "$ORLOP_TEST_KEYS" --yes
	# Another certificate for the firmware, which nobody asked for.
	rm -rf left
	cp -r good left
	"$ORLOP" keys init foreign
	cp foreign/db.crt left/db.crt.01
	refused 'not those of' finish left
	run "$ORLOP" keys sign left --keys "$ORLOP_TEST_KEYS" --yes
	[[ $output == *'requests[5]: not what the files need'* ]]
}

# All of it made anew, consistently, with keys of somebody else: only the certificates tell.
@test "a folder whose certificates are not those that the build was begun with is refused" {
	"$ORLOP" keys init foreign
	build_small --keys foreign --sign-later left
	"$ORLOP" keys sign left --keys foreign --yes
	refused "the certificates in left are not those of $certificates" finish left
}

@test "a folder in use is refused, and a build that is killed leaves none that could be signed" {
	local pid
	mkdir taken
	echo mine >taken/notes
	refused 'taken has files in it, such as notes' build_small --keys "$certificates" --sign-later taken
	[ "$(ls -A taken)" = notes ]
	"$ORLOP" build "$edition" --offline --quiet --cache "$cache" --version 202601.02.3 --keys "$certificates" --sign-later left 3>&- &
	pid=$!
	until compgen -G 'left/.orlop-build-*/*.usr.verity' >/dev/null || [ ! -e "/proc/$pid/cwd" ]; do :; done
	kill -KILL $pid
	wait $pid || true
	if [ ! -e left/signing.json ]; then
		[ -z "$(find left -mindepth 1 -maxdepth 1 -not -name '.orlop-build-*')" ]
		build_small --keys "$certificates" --sign-later left
	fi
	diff -r "$BATS_FILE_TMPDIR/left" left
	[ -z "$(find left -name '.*' -mindepth 1)" ]
}

@test "a finish that is killed shows nothing, and the next one makes all of it" {
	local pid
	cp -r "$left" left
	sign_with_openssl left
	"$ORLOP" build --finish left --keys "$certificates" --quiet --output out 3>&- &
	pid=$!
	until compgen -G 'out/.orlop-build-*/*.raw' >/dev/null || [ ! -e "/proc/$pid/cwd" ]; do :; done
	kill -KILL $pid
	wait $pid || true
	[ -n "$(find out -maxdepth 1 -name '*.manifest.json')" ] || [ -z "$(find out -mindepth 1 -maxdepth 1 -not -name '.orlop-build-*')" ]
	finish left
	diff -r "$reference" out
	diff -r --exclude='*.sig' --exclude=provenance.tbs "$left" left
}

@test "what --finish can't know is no option of it" {
	local option
	run "$ORLOP" build small --finish left
	[ "$status" = 2 ]
	[[ $output == 'orlop: --finish takes no EDITION'* ]]
	for option in --arch=amd64 --suite=trixie --mirror=none --security-mirror=none --keyring=none --version=202601.02.3 --lock=none \
		--format=vhd --cache=none --cache-keep=1 --passphrase-file=none --pin-file=none --netboot=disk --sign-later=none --offline --explain; do
		run "$ORLOP" build --finish left "$option"
		[ "$status" = 2 ]
		[[ $output == "orlop: --finish: what is built is said by the folder, so that ${option%=*} has no effect (see orlop build --help)" ]]
	done
	refused 'none/signing.json' "$ORLOP" build --finish none --keys "$certificates" --output out
}

# Types a line when it is asked for the passphrase for the time with that number, and the terminal does not show it.
type_unseen() { # COUNT TEXT
	until [ "$(grep -c 'Passphrase of' said)" = "$1" ] && [[ $(stty -F "$(cat tty)" -a) == *' -echo '* ]]; do
		read -rt 0.2 <> <(:) || true
	done
	echo "$2" >&8
}

@test "encrypted keys make the same image, and one passphrase is asked for once" {
	local name pid
	cp -r "$ORLOP_TEST_KEYS" keys
	for name in PK KEK db; do
		openssl pkcs8 -topk8 -scrypt -in "$ORLOP_TEST_KEYS/$name.key" -passout pass:'open sesame' -out "keys/$name.key"
	done
	(umask 077 && echo 'open sesame' >right && echo open >wrong && echo >empty)
	build_small --keys keys --passphrase-file right --output out
	diff -r "$reference" out
	rm -r out
	refused 'keys/PK.key: the passphrase does not open it' build_small --keys keys --output out --passphrase-file wrong
	refused 'empty: its first line must be the passphrase' build_small --keys keys --output out --passphrase-file empty
	chmod 604 right
	refused 'chmod 600 right' build_small --keys keys --output out --passphrase-file right
	chmod 600 right
	cp -r "$left" left
	ORLOP_PASSPHRASE_FILE=right "$ORLOP" keys sign left --keys keys --yes
	finish left
	diff -r "$reference" out
	# On the terminal: a mistyped one is asked for again, and the right one opens the others as well.
	rm left/*.sig
	mkfifo typed
	script -qefc "tty >tty; exec '$ORLOP' keys sign left --keys keys --yes" said <typed >/dev/null 3>&- &
	pid=$!
	exec 8>typed
	type_unseen 1 open
	type_unseen 2 'open sesame'
	wait $pid
	exec 8>&-
	[ "$(grep -c 'Passphrase of' said)" = 2 ]
	[[ $(cat said) != *sesame* ]]
	finish left again
	diff -r "$reference" again
}

# auth_certificates ESP-IMAGE NAME: the SHA-256 of each certificate that the update on the ESP would put into the variable.
auth_certificates() {
	local start size file
	read -r start size < <(partition esp "$1")
	dd if="$1" of=esp iflag=skip_bytes,count_bytes bs=1M skip="$start" count="$size" conv=sparse status=none
	mcopy -o -i esp "::loader/keys/auto/$2.auth" "$2.auth"
	# Behind time and authentication header, whose length is in it, come the lists.
	tail -c +$((17 + $(od -An -tu4 -j 16 -N 4 "$2.auth"))) "$2.auth" >"$2.esl"
	rm -f of-"$2"-*
	sig-list-to-certs "$2.esl" "of-$2" >/dev/null
	for file in of-"$2"-*.der; do sha256sum <"$file"; done
}

@test "after a rotation of db the new key signs, and firmware is to trust both" {
	local print_new print_old
	cp -r "$ORLOP_TEST_KEYS" keys
	"$ORLOP" keys rotate db --enrol --keys keys
	build_small --keys keys --output enrolled
	sbverify --cert keys/db.crt enrolled/*.efi
	print_old=$(openssl x509 -in keys/db.crt -outform DER | sha256sum)
	print_new=$(openssl x509 -in keys/db.crt.new -outform DER | sha256sum)
	[ "$(auth_certificates enrolled/*.raw db)" = "$print_old"$'\n'"$print_new" ]
	"$ORLOP" keys rotate db --keys keys
	build_small --keys keys --output rotated
	sbverify --cert keys/db.crt rotated/*.efi
	! sbverify --cert keys/db.crt.1 rotated/*.efi || return 1
	[ "$(auth_certificates rotated/*.raw db)" = "$print_new"$'\n'"$print_old" ]
	[ "$(auth_certificates rotated/*.raw KEK)" = "$(openssl x509 -in keys/KEK.crt -outform DER | sha256sum)" ]
	# Without the old certificate, firmware is not to trust it any more.
	rm keys/db.crt.1
	build_small --keys keys --output retired
	[ "$(auth_certificates retired/*.raw db)" = "$print_new" ]
	# And with both certificates and no private keys, the same bits.
	cp -r "$ORLOP_TEST_KEYS" elsewhere
	cp keys/db.* elsewhere
	cp elsewhere/db.crt elsewhere/db.crt.7
	openssl x509 -in "$ORLOP_TEST_KEYS/db.crt" -out elsewhere/db.crt.1
	build_small --keys elsewhere --sign-later left
	"$ORLOP" keys sign left --keys elsewhere --yes
	"$ORLOP" build --finish left --keys elsewhere --quiet --output out
	diff -r rotated out
}
