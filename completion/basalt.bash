# Completion for Basalt's programs. They know their verbs, options and values themselves: the hidden verb
# __complete prints the candidates for the last of the words behind it, or @file where a file name is meant.
_basalt_complete() {
    local candidates cur="${COMP_WORDS[COMP_CWORD]}"
    candidates=$("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return 0
    if [ "$candidates" = "@file" ]; then
        compopt -o filenames 2>/dev/null || true
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
    fi
}
complete -F _basalt_complete basalt basalt-apiserver basalt-os machine-config-controller machine-config-daemon machine-config-server
