# Explains an image by the packages that it was made of: prints every difference for which there is no rule, and fails where
# there is one.
#
#   awk -v kernel=SHA256 -f explain.awk what=definition FILE what=made FILE what=overlay FILE what=tmpfiles FILE… what=var FILE
#       what=package FILE what=image FILE
#
# definition: what definition.awk makes of the edition's definition     made: tests/image/made.list
# overlay, package, image: listings of the edition's folder "files", of the packages' payloads laid over each other with
# their modules decompressed, and of the image's /usr; a line is PATH, type, mode, owner, group, link target or SHA-256,
# parted by tabs (list_tree of image.bash)
# var, tmpfiles: the file of tmpfiles.d that the build made, and the image's others     kernel: the digest of that in the UKI
#
# All paths are turned into those of a running node: the image's share/orlop/etc is etc.

BEGIN { FS = "\t" }

# The regular expression of a pattern of paths (src/base/glob.h), without anchors.
function expression(glob,   i, c, result) {
	if (glob in expressions) return expressions[glob]
	for (i = 1; i <= length(glob); i++) {
		c = substr(glob, i, 1)
		if (substr(glob, i, 2) == "**") {
			result = result ".*"
			i++
		} else if (c == "*") result = result "[^/]*"
		else if (c == "?") result = result "[^/]"
		else if (c ~ /[A-Za-z0-9_\/-]/) result = result c
		else result = result "[" c "]"
	}
	return expressions[glob] = result
}

function matches(glob, path) { return path ~ ("^" expression(glob) "$") }

# The first pattern of a list that matches the path or a folder that leads to it, 0 where none does.
function match_below(list, count, path,   i) {
	for (i = 1; i <= count; i++) if (path ~ ("^" expression(list[i]) "(/|$)")) return i
	return 0
}

function complain(path, text) {
	print path ": " text
	complaints++
}

# "f 0644 0:0 SHA256"
function entry(type, mode, owner, group, value) {
	return type " " substr("0000" mode, length(mode) + 1) " " owner ":" group " " value
}

what == "definition" && $1 == "exclude" { exclude[++excludes] = $2 }
what == "definition" && $1 == "keep" { keep[++keeps] = $2 }
what == "definition" && $1 == "setuid" { setuid[$2] }
what == "definition" && $1 == "kernel.modules" { modules[++module_patterns] = $2 }
what == "definition" && $1 == "links" { own[$2] = entry("l", "777", 0, 0, $3) }
what == "definition" && $1 == "mask" { own["etc/systemd/system/" $2] = entry("l", "777", 0, 0, "/dev/null") }

what == "made" && !/^(#|$)/ {
	split($0, word, " ")
	kind[++rules] = word[1]
	pattern[rules] = word[2]
	if (word[1] == "folder") wanted[rules] = "d 0755 0:0 "
	else if (word[1] == "file" || word[1] == "changed") wanted[rules] = "f " word[3] " " word[4] " "
	else wanted[rules] = word[3]
}

# What src/build/overlay.h says of the edition's files: only the owner's "x" counts, and they are root's.
what == "overlay" && $1 != "" { own[$1] = $2 == "l" ? entry("l", "777", 0, 0, $6) : entry($2, $2 == "d" || $3 ~ /[1357]..$/ ? "755" : "644", 0, 0, $6) }

what ~ /^(tmpfiles|var)$/ && !/^(#|$)/ {
	split($0, word, /[ \t]+/)
	if (what == "var") var[substr(word[2], 2)] = $0
	else if (word[1] ~ /^[CDLQbcdfpqv]/) tmpfiles[substr(word[2], 2)]
}

what == "package" { package[$1] = entry($2, $3, $4, $5, $6) }

what == "image" {
	path = $1 == "" ? "usr" : "usr/" $1
	if (sub(/^usr\/share\/orlop\/etc/, "etc", path) && path !~ /^etc(\/|$)/) path = "usr/share/orlop/" path
	image[path] = entry($2, $3, $4, $5, $6)
}

# A path's part below the kernel's folder, without ".ko": "kernel/fs/xfs/xfs".
function module_of(path) {
	sub(/^usr\/lib\/modules\/[^\/]*\//, "", path)
	sub(/\.ko$/, "", path)
	return path
}

# Whether the definition's patterns choose a module (docs/definition.md, "Patterns of modules").
function is_chosen(module,   i, glob, name, chosen) {
	name = module
	sub(/.*\//, "", name)
	gsub(/-/, "_", name)
	chosen = module_patterns == 0
	for (i = 1; i <= module_patterns; i++) {
		glob = modules[i]
		sub(/^[!-]+/, "", glob)
		if (glob ~ /\//) {
			if (!matches(glob, module)) continue
		} else {
			gsub(/-/, "_", glob)
			if (!matches(glob, name)) continue
		}
		chosen = modules[i] !~ /^-?!/
	}
	return chosen
}

function is_module_folder(path) { return path ~ /^usr\/lib\/modules\/[^\/]*\/kernel(\/|$)/ && package[path] ~ /^d/ }

# A file loses the bits of the definition's setuid list unless it is on it.
function after_setuid(path) {
	if (package[path] !~ /^f [2-7]/ || path in setuid) return package[path]
	return "f " substr(package[path], 3, 1) % 2 substr(package[path], 4)
}

# The line of tmpfiles.d for a folder or link in /var, none where a package has one.
function var_line(path,   word) {
	if (path in tmpfiles) return ""
	split(package[path], word, /[ :]/)
	if (word[1] == "l") return "L /" path " - - - - " word[5]
	return "d /" path " " word[2] " " word[3] " " word[4] " -"
}

function judge_missing(path) {
	if (path ~ /^var\//) {
		if (var[path] != var_line(path)) complain(path, "tmpfiles.d has \"" var[path] "\", not \"" var_line(path) "\"")
	} else if (path ~ /^boot\/vmlinuz-/) {
		if (package[path] !~ (" " kernel "$")) complain(path, "is not the kernel of the UKI")
	} else if (path !~ /^(usr|etc)\//) {
		# The root itself, and its folders, are orlop-init's and systemd's business.
		if (package[path] !~ /^[dl]/) complain(path, "is a file outside of /usr and /etc that nothing leaves out")
	} else if (path ~ /\.ko$/) {
		if (is_chosen(module_of(path))) complain(path, "is missing, and the definition wants the module")
	} else if (!is_module_folder(path)) complain(path, "is missing (" package[path] ")")
}

function judge_common(path,   want, i) {
	want = path in own ? own[path] : after_setuid(path)
	for (i = 1; i <= rules; i++)
		if (kind[i] == "changed" && matches(pattern[i], path)) {
			used[i] = 1
			if (index(image[path], wanted[i]) == 1) return
		}
	if (image[path] != want) complain(path, "is " image[path] ", not " want)
}

# Where a link leads from a folder, as a path without a leading "/".
function destination(path, target,   parts, n, i, result) {
	if (target !~ /^\//) {
		sub(/[^\/]*$/, "", path)
		target = path target
	}
	n = split(target, parts, "/")
	for (i = 1; i <= n; i++) {
		if (parts[i] == "" || parts[i] == ".") continue
		if (parts[i] == "..") sub(/\/?[^\/]*$/, "", result)
		else result = result (result == "" ? "" : "/") parts[i]
	}
	return result
}

# Whether a path that no package has is as a line of made.list says.
function is_as_made(rule, path,   target) {
	if (kind[rule] == "file" || kind[rule] == "folder") return index(image[path], wanted[rule]) == 1
	if (kind[rule] == "copy") {
		target = package[wanted[rule]]
		sub(/^f 0... /, "f 0644 ", target)
		return image[path] == target
	}
	if (kind[rule] != "link" || image[path] !~ /^l 0777 0:0 /) return 0
	target = substr(image[path], length("l 0777 0:0 ") + 1)
	if (!matches(wanted[rule], target)) return 0
	target = destination(path, target)
	return target !~ /^(usr|etc)\// || target in image
}

# A folder is there for what the edition has in it.
function is_needed_by_own(path,   i) {
	if (image[path] != "d 0755 0:0 ") return 0
	for (i in own) if (index(i, path "/") == 1) return 1
	return 0
}

function judge_added(path,   i, known) {
	if (path in own) {
		if (image[path] != own[path]) complain(path, "is " image[path] ", not " own[path])
		return
	}
	for (i = 1; i <= rules; i++)
		if (matches(pattern[i], path)) {
			used[i] = known = 1
			if (is_as_made(i, path)) return
		}
	if (known) complain(path, "is not as made.list says (" image[path] ")")
	else if (!is_needed_by_own(path)) complain(path, "is in no package (" image[path] ")")
}

function is_excluded(path,   rule) {
	rule = match_below(exclude, excludes, path)
	if (rule && !match_below(keep, keeps, path)) {
		excluded[rule] = 1
		return 1
	}
	return 0
}

END {
	for (path in package) {
		if (is_excluded(path)) {
			if (path in image && !(path in own)) complain(path, "is there although the definition leaves it out")
		} else if (path in image) judge_common(path)
		else judge_missing(path)
	}
	for (path in image) if (!(path in package)) judge_added(path)
	for (path in var) if (!(path in package)) complain(path, "tmpfiles.d makes what no package has")
	for (path in own) if (!(path in image)) complain(path, "is missing, and the edition has it")
	for (i = 1; i <= rules; i++) if (!(i in used)) complain("made.list", "\"" kind[i] " " pattern[i] "\" explains nothing")
	for (i = 1; i <= excludes; i++) if (!(i in excluded)) complain("exclude", "\"" exclude[i] "\" leaves nothing out")
	exit complaints > 0
}
