# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-build and these files set for each other
# What a compressor itself can do with the files of the image on all cores, and what decoding the packages alone takes.

limits_measure() { # COMPRESSION
	[ "$1" = none ] || figures=printed measure "compressor-$1" "$bin/bench-compress" "$out/tree" "$cluster" "$1"
}

# xz, which packages and modules are in, by as many processes as there are processors.
decode_measure() {
	# shellcheck disable=SC2016 # what the inner shell is to see
	measure decode bash -ec 'find "$0/sha256" -type f -print0 | xargs -0 -n 1 -P "$(nproc)" sh -c "dpkg-deb --fsys-tarfile \"\$0\" >/dev/null 2>&1 || true"' \
		"$out/packages-cache"
}
