# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-updates and these files set for each other
# (c) casync: chunks of the new image that the old one has not, with its default sizes of chunks and with small ones.

casync_store() { # OPTION… FOLDER
	mkdir "${*: -1}"
	casync make "${@:1:$#-1}" --store="${*: -1}/store" "${*: -1}/new.caibx" "$new" >/dev/null
}
casync_prepare() {
	once "$made/casync" casync_store
	once "$made/casync_small" casync_store --chunk-size=4096:8192:16384
}
casync_measure() {
	local method
	for method in casync casync_small; do
		measure "$method" slot_check sh -c 'casync extract --store="$0/store" --seed="$1" "$0/new.caibx" "$2" && sync "$2"' \
			"$nginx_url/$place/$method" "$old" "$slot"
	done
}
