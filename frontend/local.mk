# The language: lexer, parser, names and types, lowering.
