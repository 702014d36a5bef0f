/* SPDX-License-Identifier: MIT */
/*
 * The bash completion: the option table as bash arrays, and behind them the functions that use
 * these. The script is self-contained, so that pressing Tab runs no program.
 */
#include "options.h"

#include "options-table.h"

/* What `[--unix]=file` and its like say about a value. */
static const char *kind(const struct option_def *def)
{
	if (def->choices)
		return "choice";
	switch (def->hint) {
	case HINT_FILE:
		return "file";
	case HINT_INTERFACE:
		return "interface";
	case HINT_NONE:
		break;
	}
	return "text";
}

static bool is_verb(const struct option_def *def)
{
	return def->group == GROUP_VERB;
}

static void print_values(FILE *f)
{
	fputs("\t# options with a value, and of which kind it is\n\tlocal -A value=(", f);
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];

		if (def->hidden || def->value == VALUE_NONE)
			continue;
		fprintf(f, "\n\t\t[--%s]=%s", def->name,
			def->value == VALUE_OPTIONAL ? "optional" : kind(def));
	}
	fputs("\n\t)\n\tlocal -A choices=(", f);
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];

		if (def->hidden || !def->choices)
			continue;
		fprintf(f, "\n\t\t[--%s]='", def->name);
		for (size_t c = 0; def->choices[c]; c++)
			fprintf(f, "%s%s", c ? " " : "", def->choices[c]);
		fputc('\'', f);
	}
	fputs("\n\t)\n\tlocal -A long=(", f);
	for (size_t i = 0; i < options_count; i++) {
		const struct option_def *def = &options_table[i];

		if (!def->hidden && def->letter)
			fprintf(f, "\n\t\t[%c]=--%s", def->letter, def->name);
	}
	fputs("\n\t)\n", f);
}

/* `verbs`: the options that are one. `options`: for each of them, and for attaching, the rest. */
static void print_options(FILE *f)
{
	fputs("\tlocal verbs='", f);
	for (size_t i = 0; i < options_count; i++)
		if (is_verb(&options_table[i]) && !options_table[i].hidden)
			fprintf(f, " --%s", options_table[i].name);
	fputs(" '\n\tlocal -A options=(", f);
	for (unsigned v = 0; v < OPTIONS_VERBS; v++) {
		if (v == VERB_COMPLETION)
			continue;
		fprintf(f, "\n\t\t[%s]='",
			options_verbs[v].option ? options_verbs[v].option : "attach");
		for (size_t i = 0; i < options_count; i++) {
			const struct option_def *def = &options_table[i];

			if (!is_verb(def) && !def->hidden && def->verbs & 1U << v)
				fprintf(f, " --%s", def->name);
		}
		fputs(" '", f);
	}
	fputs("\n\t)\n\tlocal -A words=(", f);
	for (unsigned v = 0; v < OPTIONS_VERBS; v++) {
		if (v == VERB_COMPLETION)
			continue;
		fprintf(f, "\n\t\t[%s]='%s%s'",
			options_verbs[v].option ? options_verbs[v].option : "attach",
			options_verbs[v].takes_device ? "device " : "",
			options_verbs[v].takes_server ? "host" : "");
	}
	fputs("\n\t)\n", f);
}

static const char head[] =
    "# SPDX-License-Identifier: MIT\n"
    "# bash completion for nbd-attach, written by nbd-attach --completion\n"
    "\n"
    "# The devices that are attached ($1 = yes), are not ($1 = no), or all ($1 = any).\n"
    "_nbd_attach_devices()\n"
    "{\n"
    "\tlocal dir name\n"
    "\tfor dir in /sys/block/nbd*; do\n"
    "\t\tname=${dir##*/}\n"
    "\t\t[[ -d $dir && $name =~ ^nbd[0-9]+$ ]] || continue\n"
    "\t\tcase $1 in\n"
    "\t\tyes) [[ -e $dir/pid ]] || continue ;;\n"
    "\t\tno) [[ ! -e $dir/pid ]] || continue ;;\n"
    "\t\tesac\n"
    "\t\tprintf '%s\\n' \"$2$name\"\n"
    "\tdone\n"
    "}\n"
    "\n"
    "_nbd_attach_interfaces()\n"
    "{\n"
    "\tlocal dir\n"
    "\tfor dir in /sys/class/net/*; do\n"
    "\t\t[[ -d $dir ]] && printf '%s\\n' \"${dir##*/}\"\n"
    "\tdone\n"
    "}\n"
    "\n"
    "_nbd_attach()\n"
    "{\n";

/* bash splits words at = and : (COMP_WORDBREAKS); they are put together again first. */
static const char tail[] =
    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} line=() word glue= i\n"
    "\tlocal verb=attach given=' ' expect= n=0 prefix= what\n"
    "\tCOMPREPLY=()\n"
    "\n"
    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
    "\t\tword=${COMP_WORDS[i]}\n"
    "\t\tif [[ ${#line[@]} -gt 0 && ( $glue || $word == [:=]* ) ]]; then\n"
    "\t\t\tline[-1]+=$word\n"
    "\t\telse\n"
    "\t\t\tline+=(\"$word\")\n"
    "\t\tfi\n"
    "\t\tglue=\n"
    "\t\t[[ $word == *[:=] ]] && glue=yes\n"
    "\tdone\n"
    "\tif [[ $cur == = || $cur == : ]]; then\n"
    "\t\tglue=yes\n"
    "\t\t[[ ${#line[@]} -gt 0 ]] && line[-1]+=$cur\n"
    "\t\tcur=\n"
    "\tfi\n"
    "\tif [[ $glue && ${#line[@]} -gt 0 ]]; then\n"
    "\t\tprefix=${line[-1]}\n"
    "\t\tunset 'line[-1]'\n"
    "\tfi\n"
    "\n"
    "\tfor word in \"${line[@]}\"; do\n"
    "\t\tif [[ $expect ]]; then\n"
    "\t\t\texpect=\n"
    "\t\t\tcontinue\n"
    "\t\tfi\n"
    "\t\tcase $word in\n"
    "\t\t--*=*) given+=\"${word%%=*} \" ;;\n"
    "\t\t--*)\n"
    "\t\t\tgiven+=\"$word \"\n"
    "\t\t\t[[ $verbs == *\" $word \"* ]] && verb=$word\n"
    "\t\t\t[[ ${value[$word]:-optional} != optional ]] && expect=$word\n"
    "\t\t\t;;\n"
    "\t\t-?*)\n"
    "\t\t\tfor ((i = 1; i < ${#word}; i++)); do\n"
    "\t\t\t\twhat=${long[${word:i:1}]}\n"
    "\t\t\t\t[[ $what ]] || break\n"
    "\t\t\t\tgiven+=\"$what \"\n"
    "\t\t\t\t[[ $verbs == *\" $what \"* ]] && verb=$what\n"
    "\t\t\t\tif [[ ${value[$what]} ]]; then\n"
    "\t\t\t\t\t((i + 1 == ${#word})) && expect=$what\n"
    "\t\t\t\t\tbreak\n"
    "\t\t\t\tfi\n"
    "\t\t\tdone\n"
    "\t\t\t;;\n"
    "\t\t*) ((n += 1)) ;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "\tif [[ $prefix ]]; then\n"
    "\t\t# the value in --option=value; anything else with a colon is a server\n"
    "\t\t[[ $prefix == --*= ]] || return 0\n"
    "\t\texpect=${prefix%=}\n"
    "\tfi\n"
    "\n"
    "\tif [[ $expect ]]; then\n"
    "\t\tcase ${value[$expect]} in\n"
    "\t\tchoice) COMPREPLY=($(compgen -W \"${choices[$expect]}\" -- \"$cur\")) ;;\n"
    "\t\tinterface) COMPREPLY=($(compgen -W \"$(_nbd_attach_interfaces)\" -- \"$cur\")) ;;\n"
    "\t\tfile)\n"
    "\t\t\tlocal IFS=$'\\n'\n"
    "\t\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
    "\t\t\tcompopt -o filenames 2>/dev/null\n"
    "\t\t\t;;\n"
    "\t\tesac\n"
    "\t\treturn 0\n"
    "\tfi\n"
    "\n"
    "\tif [[ $cur == -* ]]; then\n"
    "\t\tlocal list=${options[$verb]}\n"
    "\t\t[[ $verb == attach ]] && list+=$verbs\n"
    "\t\tfor word in $given; do\n"
    "\t\t\t[[ $word == --verbose ]] || list=${list// $word / }\n"
    "\t\tdone\n"
    "\t\tCOMPREPLY=($(compgen -W \"$list\" -- \"$cur\"))\n"
    "\t\treturn 0\n"
    "\tfi\n"
    "\n"
    "\tlocal kinds=(${words[$verb]})\n"
    "\twhat=${kinds[n]}\n"
    "\tif [[ $what == device ]]; then\n"
    "\t\tlocal state=any dir=/dev/ list=\n"
    "\t\t[[ $cur && $cur != /* ]] && dir=\n"
    "\t\tcase $verb in\n"
    "\t\tattach) state=no list=auto ;;\n"
    "\t\t--detach | --status) state=yes ;;\n"
    "\t\tesac\n"
    "\t\tlist+=\" $(_nbd_attach_devices $state $dir)\"\n"
    "\t\tCOMPREPLY=($(compgen -W \"$list\" -- \"$cur\"))\n"
    "\telif [[ $what == host && $given != *' --unix '* ]]; then\n"
    "\t\tCOMPREPLY=($(compgen -A hostname -- \"$cur\"))\n"
    "\tfi\n"
    "}\n"
    "\n"
    "complete -F _nbd_attach nbd-attach\n";

void options_completion(FILE *f)
{
	fputs(head, f);
	print_values(f);
	print_options(f);
	fputs(tail, f);
}
