# Programs of Debian 13's systemd as judges of what it is to start. Debian 12 has no ukify, and neither its bootctl nor its
# systemd-dissect looks into a file without being root.

# shellcheck source=tests/lib/debian.bash
. "${BASH_SOURCE[0]%/*}/debian.bash"

# Sets $systemd to the folder that has the programs in usr/: nothing where this host's own are new enough, else a folder into
# which their packages are unpacked.
find_systemd() {
	export systemd=
	if command -v ukify >/dev/null && bootctl --help | grep -q kernel-identify && systemd-dissect --help | grep -q validate; then
		return
	fi
	systemd=$BATS_FILE_TMPDIR/systemd
	debian_unpack trixie "$systemd" systemd-ukify,systemd-boot-tools,systemd-container
}

# Runs usr/PROGRAM of the folder, with its own libraries.
run_systemd() { # PROGRAM ARGUMENT…
	local program=$systemd/usr/$1
	shift
	if [ -z "$systemd" ]; then
		"$program" "$@"
	else
		PYTHONHOME=$systemd/usr debian_run "$systemd" "$program" "$@"
	fi
}

ukify() { run_systemd bin/python3 "$systemd/usr/bin/ukify" "$@"; }
