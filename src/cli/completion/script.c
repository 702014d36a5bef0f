/* SPDX-License-Identifier: MIT */
#include "cli/completion-scripts.h" /* made by the build */
#include "cli/completion/completion.h"

void options_completion(FILE *f, enum completion_shell shell)
{
	switch (shell) {
	case SHELL_BASH:
		fputs(completion_script_bash, f);
		completion_bash(f);
		break;
	case SHELL_ZSH:
		fputs(completion_script_zsh, f);
		completion_zsh(f);
		/* Loaded by compinit as the function _nbd-attach, or read by `source`. */
		fputs("\nif [[ $funcstack[1] == _nbd-attach ]]; then\n"
		      "    _nbd_attach \"$@\"\n"
		      "else\n"
		      "    compdef _nbd_attach nbd-attach\n"
		      "fi\n",
		      f);
		break;
	case SHELL_FISH:
		fputs(completion_script_fish, f);
		completion_fish(f);
		break;
	}
}
