# Completion of orlop's commands and options for bash. It asks the program itself (--help), so it can't fall behind.
# shellcheck shell=bash

# The lines of a section of a help text.
_orlop_section() { sed -n "/^$1:/,/^\$/p"; }

# The commands that a help text lists.
_orlop_commands() { _orlop_section Commands | sed -n 's/^  \([a-z-]*\) .*/\1/p'; }

# What stands for the value of an option (in any of its forms) in a help text: ARCH, DIR, FILE …; empty where it has none.
_orlop_argument() {
	_orlop_section Options | sed -n -E "s/^ +(-., )?(--[a-z0-9-]+)( ([A-Z][A-Z_:=\/a-z-]*))?( .*)?\$/\1\2 \4/p" |
		sed -E 's/^(-.), /\1 /' | awk -v option="$1" '{ for (i = 1; i <= NF; i++) if ($i == option && $NF !~ /^-/) print $NF }'
}

_orlop_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2"); }

_orlop_value() { # KIND WORD: the values of an option, or an argument
	case $1 in
	ARCH) _orlop_words 'amd64 arm64' "$2" ;;
	CHANNEL) _orlop_words 'security weekly' "$2" ;;
	DIR) mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
	STATE) _orlop_words 'disk memory' "$2" ;;
	FORMATS) _orlop_words 'qcow2 raw vhd vhdx' "$2" ;;
	FILE | IMAGE | PATH) mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
	*EDITION*)
		mapfile -t COMPREPLY < <(compgen -f -X '!*.yaml' -- "$2"; compgen -W container-linux -- "$2")
		;;
	*) COMPREPLY=() ;;
	esac
}

_orlop() {
	local current=$2 previous=$3 program=${COMP_WORDS[0]} help kind arguments i=1
	local words=()

	help=$("$program" --help 2>/dev/null) || return
	# Down the commands, as far as the line has them.
	while [ "$i" -lt "$COMP_CWORD" ] && _orlop_commands <<<"$help" | grep -qxF -e "${COMP_WORDS[i]}"; do
		words+=("${COMP_WORDS[i]}")
		help=$("$program" "${words[@]}" --help 2>/dev/null) || return
		i=$((i + 1))
	done
	# A verb that has both takes an argument where no command stands: `orlop publish`.
	if grep -q '^Commands:' <<<"$help" && ! grep -q '^Options:' <<<"$help"; then
		[[ $current == -* ]] && _orlop_words --help "$current" || _orlop_words "$(_orlop_commands <<<"$help")" "$current"
		return
	fi
	if [[ $previous == -* ]]; then
		kind=$(_orlop_argument "$previous" <<<"$help")
		[ -z "$kind" ] || { _orlop_value "$kind" "$current"; return; }
	fi
	if [[ $current == -* ]]; then
		_orlop_words "$(_orlop_section Options <<<"$help" | grep -oE '^ +(-., )?--[a-z0-9-]+' | grep -oE -- '--.*')" "$current"
		return
	fi
	arguments=$(sed -n 's/^Usage: .*\[OPTION\]… *//p' <<<"$help")
	COMPREPLY=()
	case $arguments in
	NAME*) _orlop_words "$("$program" vm list 2>/dev/null | awk 'NR > 1 { print $1 }')" "$current" ;;
	*EDITION*) _orlop_value EDITION "$current" ;;
	*DIR*) _orlop_value DIR "$current" ;;
	'' | *VERSION*) ;;
	*) _orlop_value FILE "$current" ;;
	esac
	mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$(_orlop_commands <<<"$help")" -- "$current")
}

complete -o filenames -F _orlop orlop orlop-node
