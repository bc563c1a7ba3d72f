# Keys in a token of SoftHSM's, PIN 1234.

export token_module=/usr/lib/softhsm/libsofthsm2.so

make_token() { # FOLDER: makes the token "orlop" and exports what finds it
	mkdir -p "$1/tokens"
	printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$1/tokens" >"$1/softhsm2.conf"
	export SOFTHSM2_CONF=$1/softhsm2.conf
	softhsm2-util --init-token --free --label orlop --pin 1234 --so-pin 5678
	(umask 077 && echo 1234 >"$1/pin")
	export ORLOP_PIN_FILE=$1/pin
}

# NUMBER LABEL KEY: puts a copy of the key into it, and makes the file point to that.
move_to_token() {
	openssl pkcs8 -topk8 -nocrypt -in "$3" -out "$3.p8"
	softhsm2-util --import "$3.p8" --token orlop --label "$2" --id "$1" --pin 1234
	rm "$3.p8"
	echo "pkcs11:token=orlop;object=$2;type=private" >"$3"
}
