# Programs of Debian 13's systemd as judges of what it is to start. Debian 12 has no ukify, and neither its bootctl nor its
# systemd-dissect looks into a file without being root.

# The Debian archive of this machine's apt, chosen as `orlop build` does (src/source/apt-config.h).
apt_mirror() {
	apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
		awk '$2 == "main" && $1 ~ /\/debian(\/|$)/ { print $1; found = 1; exit } END { exit !found }'
}

# Sets $systemd to the folder that has the programs in usr/: nothing where this host's own are new enough, else a folder into
# which their packages are unpacked. In this mode, and with this variant, mmdebstrap needs no root and runs nothing of a
# package, whoever calls it; it only asks root for a word, since installing in this way would be no good idea.
find_systemd() {
	export systemd=
	if command -v ukify >/dev/null && bootctl --help | grep -q kernel-identify && systemd-dissect --help | grep -q validate; then
		return
	fi
	systemd=$BATS_FILE_TMPDIR/systemd
	timeout 300 mmdebstrap --mode=chrootless --skip=check/chrootless --variant=extract \
		--include=systemd-ukify,systemd-boot-tools,systemd-container trixie "$systemd" "$(apt_mirror)"
}

# Runs usr/PROGRAM of the folder, with its own libraries.
run_systemd() { # PROGRAM ARGUMENT…
	local program=$systemd/usr/$1 loader libraries
	shift
	if [ -z "$systemd" ]; then
		"$program" "$@"
	else
		loader=("$systemd"/usr/lib*/ld-linux-*.so.*)
		libraries=("$systemd"/usr/lib/*-linux-gnu*)
		PYTHONHOME=$systemd/usr "${loader[0]}" --library-path "${libraries[0]}:${libraries[0]}/systemd" "$program" "$@"
	fi
}

ukify() { run_systemd bin/python3 "$systemd/usr/bin/ukify" "$@"; }
