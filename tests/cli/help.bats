#!/usr/bin/env bats
# What every command of `orlop` and `orlop-node` has in common: --help, the answer to a wrong command line, a manual page, completion.
# The commands are found by asking the program, so that a new one is in these tests at once.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	root=$BATS_TEST_DIRNAME/../..
	export COLUMNS=80
	choose orlop
}

# choose PROGRAM: the one that the functions below look at.
choose() {
	program=$1
	binary=$(dirname "$ORLOP")/$program
}

# The commands that `PROGRAM WORD… --help` lists, one a line.
listed() { "$binary" "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'; }

# Every command line that has a --help, one a line, beginning with the empty one of the program itself.
all_commands() {
	local name
	echo "$*"
	for name in $(listed "$@"); do all_commands "$@" "$name"; done
}

# for_all COMMAND…: calls it with the words of every command of the program, and says which one it failed with
for_all() {
	local words count=0
	while read -r -a words; do
		"$@" "${words[@]}" || { echo "$program ${words[*]}"; return 1; }
		count=$((count + 1))
	done < <(all_commands)
	[ $count -ge 3 ]
}

# The same for both programs.
for_both() {
	choose orlop-node
	for_all "$@"
	choose orlop
	for_all "$@"
}

has_help() {
	"$binary" "$@" --help >help 2>errors </dev/null || return 1
	[ ! -s errors ] || return 1
	grep -q "^Usage: $program${*:+ $*} " help || return 1
	# A line ends before column 100, whatever is in it (in characters: the ellipsis has three bytes).
	[ "$(LC_ALL=C.UTF-8 wc -L <help)" -le 100 ]
}

@test "every command answers --help on standard output, and nothing else happens" {
	for_both has_help
	[ "$(find . -type f | sort)" = $'./errors\n./help' ]
}

refuses_option() {
	local status=0
	"$binary" "$@" --no-such-option >output 2>errors </dev/null || status=$?
	[ $status = 2 ] && [ ! -s output ] || return 1
	grep -q -- "^$program: unknown .*--no-such-option" errors || return 1
	grep -qF "(see $program${*:+ $*} --help)" errors && [ "$(wc -l <errors)" = 1 ]
}

@test "an unknown option is status 2, and the one line about it names --help" {
	for_both refuses_option
}

@test "no command and an unknown command are status 2" {
	run "$ORLOP"
	[ "$status" = 2 ]
	[ "$output" = 'orlop: a command is missing (see orlop --help)' ]
	run "$ORLOP" keys
	[ "$status" = 2 ]
	[ "$output" = 'orlop: a command is missing (see orlop keys --help)' ]
	run "$ORLOP" keys lose
	[ "$status" = 2 ]
	[ "$output" = 'orlop: unknown command lose (see orlop keys --help)' ]
}

@test "--version says the version of the source tree" {
	local name
	for name in orlop orlop-node; do
		choose $name
		run --separate-stderr "$binary" --version
		[ "$status" = 0 ]
		[ "$output" = "$name $(cat "$root/VERSION")" ]
		[ -z "$stderr" ]
	done
}

@test "output that could not be written is a failure" {
	[ -c /dev/full ]
	run bash -c '"$ORLOP" --help >/dev/full'
	[ "$status" = 1 ]
	[[ $output == *"standard output"*"No space left on device"* ]]
	run bash -c '"$ORLOP" build --help >/dev/full'
	[ "$status" = 1 ]
}

# The page of a command is that of its first word: orlop-vm(1) has all of `orlop vm`. orlop-node has one page.
is_in_manual() {
	local page=$root/docs/man/orlop${1:+-$1}.1.scd list=$root/docs/man/orlop.1.scd option
	[ $program = orlop ] || page=$root/docs/man/$program.8.scd list=$page
	[ -e "$page" ] || { echo "$page is missing"; return 1; }
	"$binary" "$@" --help >help
	for option in $(sed -n '/^Options:/,/^$/p' help | grep -oE '^ +(-., )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+'); do
		grep -q -- "\*$option\*" "$page" || { echo "$option is not in $page"; return 1; }
	done
	[ $# = 0 ] || grep -qF "*$program $1*" "$list" || { echo "not in $list"; return 1; }
}

@test "every command and every option is in a manual page" {
	for_both is_in_manual
}

# has_no_other_option PAGE: than are in the file "help".
has_no_other_option() {
	local option
	for option in $(grep -E '^\*-' "$1" | grep -oE -- '\*--[a-z0-9-]+' | tr -d '*'); do
		grep -q -- " $option\b" help || { echo "$1: $option"; return 1; }
	done
}

# The other way round: options in bold at the beginning of a page's line are options of that command.
@test "the manual pages have no option that the program does not have" {
	local page name words
	for page in "$root"/docs/man/orlop-*.1.scd; do
		name=$(basename "$page" .1.scd)
		name=${name#orlop-}
		while read -r -a words; do
			[ "${words[0]:-}" != "$name" ] || "$ORLOP" "${words[@]}" --help
		done < <(all_commands) >help
		has_no_other_option "$page"
	done
	choose orlop-node
	while read -r -a words; do "$binary" "${words[@]}" --help; done < <(all_commands) >help
	has_no_other_option "$root/docs/man/orlop-node.8.scd"
}

@test "scdoc reads every manual page" {
	local page
	for page in "$root"/docs/man/*.scd; do scdoc <"$page" >/dev/null; done
}

# complete_words WORD…: what the shell would offer for the last word
complete_words() {
	PATH=$(dirname "$ORLOP"):$PATH bash -c '
		source "$1"; shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
		_orlop "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf "%s\n" "${COMPREPLY[@]}"' bash "$root/tools/completion.bash" "$@" | sort
}

completes() {
	[ "$(complete_words "$program" "$@" '')" = "$(listed "$@" | sort)" ] || [ -z "$(listed "$@")" ] || return 1
	"$binary" "$@" --help | grep -q '^Options:' || return 0
	"$binary" "$@" --help | grep -oE '^ +(-., )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' | sort >options
	complete_words "$program" "$@" -- | diff options -
}

@test "bash completes every command and every option" {
	for_both completes
	[ "$(complete_words orlop vm st)" = $'start\nstop' ]
	[ "$(complete_words orlop keys --)" = --help ]
	[ "$(complete_words orlop build --arch '')" = $'amd64\narm64' ]
	[ "$(complete_words orlop build container-)" = container-linux ]
	mkdir out file-like
	: >file
	[ "$(complete_words orlop build --output '')" = $'file-like\nout' ]
	[ "$(complete_words orlop build --format vh)" = $'vhd\nvhdx' ]
	[ "$(complete_words orlop publish --channel '')" = $'security\nweekly' ]
	[ "$(complete_words orlop publish pa)" = pause ]
	[ "$(complete_words orlop publish ou)" = out ]
}
