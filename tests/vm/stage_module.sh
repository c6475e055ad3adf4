#!/bin/bash
# stage_module.sh MODULE TREE: what the module's install() puts into an image, apart from the tools, below TREE. dracut's
# functions as far as the module uses them.
set -eu
moddir=$1 initdir=$2
systemdutildir=/usr/lib/systemd systemdsystemunitdir=/usr/lib/systemd/system systemdsystemconfdir=/etc/systemd/system
SYSTEMCTL=systemctl

inst_simple() { install -D -m 0644 "$1" "$initdir${2:-$1}"; }
inst_script() { install -D -m 0755 "$1" "$initdir${2:-$1}"; }
ln_r() { mkdir -p "$initdir${2%/*}" && ln -sf "$1" "$initdir$2"; }
inst_binary() { :; }
inst_multiple() { :; }
inst_libdir_file() { :; }
inst_rules() { :; }
dracut_module_included() { false; }

# shellcheck source=/dev/null
. "$moddir/module-setup.sh"
install_tools() { :; }
# The generator's targets are what units are added to.
mkdir -p "$initdir$systemdsystemunitdir"
eval "$(declare -f install | sed '1s/.*/module_install ()/')"
unset -f install
module_install
