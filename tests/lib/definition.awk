# Flattens an edition's definition, as far as its YAML goes: each entry of a list becomes "KEY<tab>ENTRY", each entry of a
# mapping "KEY<tab>NAME<tab>VALUE", with "kernel.modules" for a key within a key. A reader of its own, so that a test that
# compares an image with its definition doesn't ask the program that made the image what the definition says.

function plain(text) {
	sub(/[ \t]+#.*$/, "", text)
	sub(/^[ \t]+/, "", text)
	sub(/[ \t]+$/, "", text)
	if (text ~ /^".*"$/) text = substr(text, 2, length(text) - 2)
	return text
}

function flow(name, text, entries, n, i) {
	n = split(substr(text, 2, length(text) - 2), entries, ",")
	for (i = 1; i <= n; i++) print name "\t" plain(entries[i])
}

/^[ \t]*(#|$)/ { next }

{
	match($0, /^ */)
	indent = RLENGTH
	text = substr($0, indent + 1)
	while (depth > 0 && indents[depth] >= indent && text !~ /^- /) depth--
	name = ""
	for (i = 1; i <= depth; i++) name = name (i > 1 ? "." : "") keys[i]
}

text ~ /^- / { print name "\t" plain(substr(text, 3)); next }

match(text, /: |:$/) {
	key = plain(substr(text, 1, RSTART - 1))
	value = plain(substr(text, RSTART + 1))
	if (value ~ /^\[.*\]$/) flow((name != "" ? name "." : "") key, value)
	else if (value != "") print name "\t" key "\t" value
	else {
		keys[++depth] = key
		indents[depth] = indent
	}
}
