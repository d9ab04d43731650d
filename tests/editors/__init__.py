"""The schema of scenarios in an editor: yaml-language-server, which ``make editors`` installs."""
