"""The commands: options in, words out. They import what they need inside, so that --help is quick."""
