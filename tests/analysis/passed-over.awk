# Prints the lines of bats files on which a check may fail and bash's -e passes over it ("FILE:LINE: TEXT"): "A && B" and "! A" that
# are neither the last command of a function or test nor followed by "||", and fails where there is one.
#
# Bash's grammar is not known here: quotes, brackets and here-documents are left out as far as they are on one line.

function plain(text) {
	gsub(/\\./, "", text)
	while (match(text, /'[^']*'|"[^"]*"/))
		text = substr(text, 1, RSTART - 1) "Q" substr(text, RSTART + RLENGTH)
	gsub(/\[\[[^]]*\]\]/, "T", text)
	# Of a subshell, the status counts.
	while (match(text, /\([^()]*\)/))
		text = substr(text, 1, RSTART - 1) "S" substr(text, RSTART + RLENGTH)
	sub(/(^|[ \t])#.*/, "", text)
	# What begins here and ends on another line.
	sub(/(["'(]|\[\[).*/, "", text)
	return text
}

# Ends a command: *last* says whether a function ends behind it.
function finish(last) {
	if (found && !last) {
		printf "%s", found
		failed = 1
	}
	found = ""
}

FNR == 1 { finish(1); end = ""; open = 0 }

# The text of a here-document.
end != "" {
	text = $0
	sub(/^\t+/, "", text)
	if (text == end)
		end = ""
	next
}

{
	text = plain($0)
	if (!open) {
		finish($0 ~ /^\t*}$/)
		condition = text ~ /^\t*(if|elif|while|until) /
	}
	if (!condition && (text ~ /&&/ || text ~ /^\t*! /))
		found = found FILENAME ":" FNR ": " $0 "\n"
	# What it comes to is somebody's affair, or it is no check; or it is all that a function does.
	if (text ~ /\|\|/ || text ~ /&& (\{.*)?(break|continue|return)/ || text ~ /^\t*[a-z_0-9]+S \{.*&&[^;]*; }$/)
		found = ""
	open = text ~ /(&&|\\)$/
	if (match($0, /<<-?['"]?[A-Z]+/) && $0 !~ /<<</) {
		end = substr($0, RSTART, RLENGTH)
		gsub(/[^A-Z]/, "", end)
	}
}

END { finish(1); exit failed }
