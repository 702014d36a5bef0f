# shellcheck shell=bash disable=SC2154 # $work is the caller's
# SPDX-License-Identifier: MIT
# Fetches packages of other suites and architectures into a directory; never installs them. The
# caller has die() and say(), and $work, a scratch directory.

# The Debian mirror of this machine: "main" or "security". Read from the files
# because apt tells its sources only when it has lists, and images often come
# without.
mirror() {
	local files=()
	shopt -s nullglob
	files=(/etc/apt/sources.lis[t] /etc/apt/sources.list.d/*.list
		/etc/apt/sources.list.d/*.sources)
	shopt -u nullglob
	awk -v want="$1" '
		function offer(uri, suite) {
			is_security = suite ~ /-security$|\/updates$/
			is_debian = suite ~ /^(bullseye|bookworm|trixie|forky|sid|testing|unstable|stable|oldstable)/
			if (is_debian && is_security == (want == "security") && !done) {
				print uri
				done = 1
			}
		}
		function stanza(	u, s, n, i, j, us, ss, nu) {
			nu = split(uris, us, " ")
			n = split(suites, ss, " ")
			if (enabled && types ~ /(^| )deb( |$)/)
				for (i = 1; i <= nu; i++)
					for (j = 1; j <= n; j++)
						offer(us[i], ss[j])
			uris = suites = types = ""
			enabled = 1
		}
		BEGIN { enabled = 1 }
		FNR == 1 { stanza() }
		/^#/ { next }
		FILENAME ~ /\.list$/ {
			sub(/#.*/, "")
			gsub(/\[[^]]*\]/, "")
			if ($1 == "deb")
				offer($2, $3)
			next
		}
		/^[ \t]*$/ { stanza(); next }
		{ value = $0; sub(/^[^:]*:[ \t]*/, "", value) }
		tolower($0) ~ /^uris:/ { uris = value }
		tolower($0) ~ /^suites:/ { suites = value }
		tolower($0) ~ /^types:/ { types = value }
		tolower($0) ~ /^enabled:/ { enabled = tolower(value) !~ /^(no|false|0)/ }
		END { stanza() }
	' "${files[@]}" /dev/null
}

# Writes the sources of one SUITE, and ARCHITECTURE if it is not this machine's, and fetches its
# lists into the directory $work; "${apt[@]}" are the options for apt from then on.
update() { # SUITE [ARCHITECTURE]
	local suite=$1 main security by
	main=$(mirror main)
	security=$(mirror security)
	[[ $main ]] || die "no Debian mirror found in /etc/apt/sources.list or sources.list.d"
	by=/usr/share/keyrings/debian-archive-keyring.gpg

	mkdir -p "$work"/lists/partial "$work"/cache/archives/partial
	: >"$work/status"
	echo "deb [signed-by=$by] $main $suite main" >"$work/sources.list"
	if [[ $security && $suite != sid ]]; then
		echo "deb [signed-by=$by] $security $suite-security main" >>"$work/sources.list"
	fi
	apt=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=-
		-o "Dir::State::Lists=$work/lists" -o "Dir::State::status=$work/status"
		-o "Dir::Cache=$work/cache" -o Dir::Cache::archives=archives
		-o "APT::Sandbox::User=$(id -un)"
		-o APT::Update::Pre-Invoke::= -o APT::Update::Post-Invoke::=
		-o APT::Update::Post-Invoke-Success::=)
	# "-o List::=" only adds to a list: drop the machine's hooks by a
	# configuration file read last.
	printf '#clear %s;\n' APT::Update::Pre-Invoke APT::Update::Post-Invoke \
		APT::Update::Post-Invoke-Success DPkg::Post-Invoke >"$work/apt.conf"
	export APT_CONFIG=$work/apt.conf
	[[ ! ${2:-} ]] || apt+=(-o "APT::Architecture=$2" -o "APT::Architectures=$2")

	say "reading the package list of Debian $suite"
	apt-get "${apt[@]}" -qq -o APT::Update::Error-Mode=any update >&2 ||
		die "apt could not read the package list of Debian $suite"
}
