# Passes on what analysers found ("FILE:LINE: MESSAGE [CHECK]", on standard input) but for clang-tidy's leaks, cppcheck's of what a cleanup
# attribute releases, and what is stored there last: neither knows the attribute. A leak which this lets off by mistake is still found by
# the sanitizers of the unit tests and by tools/torture. Fails where anything is passed on.

# The lines of a file are read once; "begins" is where the function begins that a line is in.
function read_lines(file,   line, n, begin) {
	if (file in counts)
		return
	n = 0
	begin = 1
	while ((getline line < file) > 0) {
		lines[file, ++n] = line
		if (line ~ /^[{]/)
			begin = n
		begins[file, n] = begin
	}
	close(file)
	counts[file] = n
}

# True where the function of that line declares the variable with a cleanup attribute; any structure where no name is known.
function is_cleaned_up(file, at, name,   i, wanted) {
	wanted = name == "" ? "^\t+_cleanup_[^;]*struct " : "^\t+_cleanup_[^;]*[ *(]" name "( =|;|,|[)]|$)"
	read_lines(file)
	for (i = begins[file, at]; i <= counts[file] && begins[file, i] == begins[file, at]; i++)
		if (lines[file, i] ~ wanted)
			return 1
	return 0
}

{
	# It takes what a function returns by a pointer or leaves in a structure for lost.
	if (/leak.*\[clang-analyzer-unix.Malloc/)
		next
	split($0, place, ":")
	name = ""
	leak = 0
	if (match($0, /Potential leak of memory pointed to by '[a-z_0-9]+/)) {
		leak = 1
		name = substr($0, RSTART, RLENGTH)
		sub(/.*'/, "", name)
	} else if (match($0, /(Memory|Resource) leak: [a-z_0-9]+/)) {
		leak = 1
		name = substr($0, RSTART, RLENGTH)
		sub(/.* /, "", name)
	} else if ($0 ~ /Potential memory leak/) {
		leak = 1
	} else if (match($0, /Value stored to '[a-z_0-9]+/)) {
		# What it is when it is released counts.
		leak = 1
		name = substr($0, RSTART, RLENGTH)
		sub(/.*'/, "", name)
	}
	if (leak && is_cleaned_up(place[1], place[2] + 0, name))
		next
	print
	found++
}

END { exit found > 0 }
