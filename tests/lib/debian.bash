# Programs and libraries of another Debian than this machine's, unpacked into a folder.

# The Debian archive of this machine's apt, chosen as `orlop build` does (src/source/apt-config.h).
apt_mirror() {
	apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
		awk '$2 == "main" && $1 ~ /\/debian(\/|$)/ { print $1; found = 1; exit } END { exit !found }'
}

# In this mode, and with this variant, mmdebstrap needs no root and runs nothing of a package, whoever calls it; it only asks root
# for a word, since installing in this way would be no good idea. A mirror that is behind is no matter here.
debian_unpack() { # SUITE FOLDER PACKAGE,…
	timeout 300 mmdebstrap --mode=chrootless --skip=check/chrootless --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
		--include="$3" "$1" "$2" "$(apt_mirror)"
}

# Sets $inside to the start of a command line: the program with the C library and all others of the folder.
debian_inside() { # FOLDER PROGRAM
	local libraries=("$1"/usr/lib/*-linux-gnu*) loader
	loader=("$1/usr/lib"*/ld-linux-*.so.* "${libraries[0]}"/ld-linux-*.so.*)
	[ -e "${loader[0]}" ] || loader=("${loader[1]}")
	inside=("${loader[0]}" --library-path "${libraries[0]}:${libraries[0]}/systemd" "$2")
}

debian_run() { # FOLDER PROGRAM ARGUMENT…
	local inside
	debian_inside "$1" "$2"
	"${inside[@]}" "${@:3}"
}
