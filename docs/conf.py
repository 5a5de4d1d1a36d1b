# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The site: the guides beside this file, and the reference that antsibull-docs makes of the collection (make docs)."""

from docutils import nodes

# pylint: disable=invalid-name  # Sphinx reads these names
project = "sre.backup_sync"
copyright = "2026, the sre.backup_sync authors"  # pylint: disable=redefined-builtin
html_title = "sre.backup_sync"
html_theme = "furo"
html_show_sphinx = False
extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_heading_anchors = 3
highlight_language = "text"
pygments_style = "ansible"
nitpicky = True
# pylint: enable=invalid-name

# Where the reference leads out of the site: labels of Ansible's own documentation. Nothing is fetched while it is built.
_ANSIBLE = "https://docs.ansible.com/ansible/latest"
_LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def setup(app):
    """What is done while the pages are made."""
    app.connect("doctree-read", _without_contents)
    app.connect("missing-reference", _outside)


def _without_contents(_app, doctree):
    """The theme has its own table of contents beside each page, and refuses those that antsibull-docs puts into them."""
    for topic in [node for node in doctree.findall(nodes.topic) if "contents" in node["classes"]]:
        topic.parent.remove(topic)


def _outside(_app, _env, node, content):
    """A link to Ansible's documentation; None leaves the reference to be warned of."""
    label = node.get("reftarget", "")
    collection = label.removeprefix("ansible_collections.").split(".")
    if label in _LABELS:
        place = _LABELS[label]
    elif label.startswith("ansible_collections.") and collection[0] != "sre" and len(collection) > 2:
        place = f"collections/{'/'.join(collection[:2])}/{collection[2]}.html"
    else:
        return None
    return nodes.reference("", "", content, refuri=f"{_ANSIBLE}/{place}", internal=False)
