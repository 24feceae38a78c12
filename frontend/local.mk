# The language: lexer, parser, names and types, lowering.
noinst_LIBRARIES += libfrontend.a
libfrontend_a_SOURCES = \
	%D%/ast.c %D%/ast.h \
	%D%/ast_print.c \
	%D%/build.c %D%/build.h \
	%D%/builtins.def \
	%D%/builtin.c %D%/builtin.h \
	%D%/builtin_row.c \
	%D%/call.c \
	%D%/compile.c \
	%D%/dims.c \
	%D%/emit.c \
	%D%/expr.c \
	%D%/fresh.c \
	%D%/frontend.h \
	%D%/lower.h \
	%D%/map.c \
	%D%/mesh.c \
	%D%/mesh_check.c \
	%D%/names.c \
	%D%/override.c \
	%D%/param.c \
	%D%/recipe.c \
	%D%/repeat.c \
	%D%/setting.c %D%/setting.h \
	%D%/settings.def \
	%D%/stmt.c \
	%D%/text.c \
	%D%/token.c %D%/token.h \
	%D%/zero.c
nodist_libfrontend_a_SOURCES = \
	%D%/lex.c %D%/lex.h \
	%D%/parse.c %D%/parse.h
EXTRA_DIST += %D%/lex.l %D%/parse.y

# Our own rules: Automake's cannot make lex.h, pass -y (which bison then warns
# about), and split one command's two outputs under make -j.
BUILT_SOURCES += %D%/parse.h %D%/lex.h
CLEANFILES += %D%/parse.c %D%/parse.h %D%/lex.c %D%/lex.h

%D%/parse.c: %D%/parse.y
	@$(MKDIR_P) %D%
	$(AM_V_GEN)$(BISON) -Wall -Werror --header=%D%/parse.h -o $@ $(srcdir)/%D%/parse.y
%D%/parse.h: %D%/parse.c

%D%/lex.c: %D%/lex.l
	@$(MKDIR_P) %D%
	$(AM_V_GEN)$(FLEX) --header-file=%D%/lex.h -o $@ $(srcdir)/%D%/lex.l
%D%/lex.h: %D%/lex.c

# BUILT_SOURCES only orders `make all` and `make check`; this orders the rest.
%D%/lex.$(OBJEXT): %D%/parse.h
%D%/parse.$(OBJEXT): %D%/lex.h
