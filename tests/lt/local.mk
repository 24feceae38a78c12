# The language.
if HAVE_CHECK
lt_tests = check_diag check_grad check_loss check_models
check_PROGRAMS += $(lt_tests)
TESTS += $(lt_tests)

lt_cppflags = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
lt_ldadd = libfrontend.a libir.a libsupport.a $(CHECK_LIBS)
example_sources = %D%/example.c %D%/example.h %D%/load.c %D%/load.h \
	tests/golden/golden.c tests/golden/golden.h
check_grad_SOURCES = %D%/check_grad.c $(example_sources)
check_grad_CPPFLAGS = $(lt_cppflags)
check_grad_LDADD = libfrontend.a libpasses.a libplan.a libir.a libsupport.a \
	$(CHECK_LIBS)
check_diag_SOURCES = %D%/check_diag.c
check_diag_CPPFLAGS = $(lt_cppflags)
check_diag_LDADD = libsupport.a $(CHECK_LIBS)
check_loss_SOURCES = %D%/check_loss.c $(example_sources)
check_loss_CPPFLAGS = $(lt_cppflags)
check_loss_LDADD = $(lt_ldadd)
check_models_SOURCES = %D%/check_models.c %D%/load.c %D%/load.h
check_models_CPPFLAGS = $(lt_cppflags)
check_models_LDADD = $(lt_ldadd)
endif

# Accepted programs and what they become; programs with mistakes and what the
# compiler says about them.  LOONGC_BLESS=1 rewrites what follows //>.
lt_accepted = \
	%D%/ast.lt \
	%D%/bf16.lt \
	%D%/fp8.lt \
	%D%/functions.lt \
	%D%/mesh_auto.lt \
	%D%/mesh_heads.lt \
	%D%/mesh_padded.lt \
	%D%/names.lt \
	%D%/rename.lt \
	%D%/rename_all.lt \
	%D%/repeat_carries.lt \
	%D%/repeat_dim.lt \
	%D%/repeat_in_block.lt \
	%D%/repeats.lt \
	%D%/set_schedule.lt \
	%D%/settings.lt
lt_diag = \
	%D%/diag/after_return.lt \
	%D%/diag/argument_count.lt \
	%D%/diag/assign_count.lt \
	%D%/diag/assign_param.lt \
	%D%/diag/attention_dims.lt \
	%D%/diag/attention_mask.lt \
	%D%/diag/bad_number.lt \
	%D%/diag/batch_micro.lt \
	%D%/diag/batch_tokens.lt \
	%D%/diag/big_number.lt \
	%D%/diag/block_argument.lt \
	%D%/diag/block_recursion.lt \
	%D%/diag/block_scope.lt \
	%D%/diag/call_tensor.lt \
	%D%/diag/comment_utf8.lt \
	%D%/diag/declared.lt \
	%D%/diag/deep_sum.lt \
	%D%/diag/defined_twice.lt \
	%D%/diag/dim_as_value.lt \
	%D%/diag/dim_bound.lt \
	%D%/diag/dim_free.lt \
	%D%/diag/dim_mismatch.lt \
	%D%/diag/dim_order.lt \
	%D%/diag/dim_size.lt \
	%D%/diag/divisible_s.lt \
	%D%/diag/division_by_zero.lt \
	%D%/diag/documents.lt \
	%D%/diag/dropout_rate.lt \
	%D%/diag/eos.lt \
	%D%/diag/family.lt \
	%D%/diag/indices.lt \
	%D%/diag/init.lt \
	%D%/diag/invisible.lt \
	%D%/diag/json.lt \
	%D%/diag/keyword.lt \
	%D%/diag/large_state.lt \
	%D%/diag/long_name.lt \
	%D%/diag/lookup.lt \
	%D%/diag/lookup_positions.lt \
	%D%/diag/loss_not_scalar.lt \
	%D%/diag/loss_number.lt \
	%D%/diag/loss_two.lt \
	%D%/diag/map_as_tensor.lt \
	%D%/diag/map_indices.lt \
	%D%/diag/map_input.lt \
	%D%/diag/map_output.lt \
	%D%/diag/map_transposed.lt \
	%D%/diag/mean_over_s.lt \
	%D%/diag/mesh_batch.lt \
	%D%/diag/mesh_dp_unsaid.lt \
	%D%/diag/mesh_groups.lt \
	%D%/diag/mesh_heads.lt \
	%D%/diag/mesh_inner.lt \
	%D%/diag/mesh_micro.lt \
	%D%/diag/mesh_nearest.lt \
	%D%/diag/mesh_nearest_inner.lt \
	%D%/diag/mesh_none.lt \
	%D%/diag/mesh_option.lt \
	%D%/diag/mesh_preset.lt \
	%D%/diag/mesh_size.lt \
	%D%/diag/mesh_twice.lt \
	%D%/diag/mesh_product.lt \
	%D%/diag/mesh_ring.lt \
	%D%/diag/mesh_short.lt \
	%D%/diag/model_inputs.lt \
	%D%/diag/model_name.lt \
	%D%/diag/names_twice.lt \
	%D%/diag/nested_repeat.lt \
	%D%/diag/no_model.lt \
	%D%/diag/no_recipe.lt \
	%D%/diag/no_return.lt \
	%D%/diag/norm_dims.lt \
	%D%/diag/not_constant.lt \
	%D%/diag/open_string.lt \
	%D%/diag/optimizer.lt \
	%D%/diag/option_twice.lt \
	%D%/diag/over_missing.lt \
	%D%/diag/param_dim.lt \
	%D%/diag/plan_values.lt \
	%D%/diag/linear.lt \
	%D%/diag/linear_f32.lt \
	%D%/diag/precision.lt \
	%D%/diag/rank.lt \
	%D%/diag/recompute_offload.lt \
	%D%/diag/recompute_save.lt \
	%D%/diag/rename.lt \
	%D%/diag/repeat_count.lt \
	%D%/diag/repeat_nothing.lt \
	%D%/diag/repeat_type.lt \
	%D%/diag/rope_dims.lt \
	%D%/diag/same_document.lt \
	%D%/diag/same_size.lt \
	%D%/diag/schedule.lt \
	%D%/diag/set_layers.lt \
	%D%/diag/set_unknown.lt \
	%D%/diag/set_value.lt \
	%D%/diag/setting_kind.lt \
	%D%/diag/setting_missing.lt \
	%D%/diag/setting_place.lt \
	%D%/diag/setting_twice.lt \
	%D%/diag/sgd.lt \
	%D%/diag/size_of.lt \
	%D%/diag/softmax_tokens.lt \
	%D%/diag/square_map.lt \
	%D%/diag/stray_character.lt \
	%D%/diag/syntax_brace.lt \
	%D%/diag/syntax_item.lt \
	%D%/diag/syntax_semicolon.lt \
	%D%/diag/syntax_several.lt \
	%D%/diag/too_big.lt \
	%D%/diag/too_many_ops.lt \
	%D%/diag/unknown_dim.lt \
	%D%/diag/unknown_name.lt \
	%D%/diag/unknown_option.lt \
	%D%/diag/unknown_setting.lt \
	%D%/diag/unused_block.lt \
	%D%/diag/unused_param.lt \
	%D%/diag/xent_dims.lt \
	%D%/diag/zero_nesting.lt \
	%D%/diag/zero_rest.lt
lt_scripts = %D%/bad_input.sh %D%/codes.sh %D%/language.sh %D%/listed.sh \
	%D%/verify.sh
TESTS += $(lt_accepted) $(lt_diag) $(lt_scripts)
EXTRA_DIST += $(lt_accepted) $(lt_diag) $(lt_scripts)
