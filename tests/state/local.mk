# The state of a run: optimizer, checkpoints, their readers.
TESTS += %D%/doc.sh %D%/mesh.sh %D%/resume.sh
EXTRA_DIST += %D%/doc.sh %D%/mesh.sh %D%/resume.sh

if HAVE_CHECK
state_tests = check_box check_ckpt check_facts check_faults check_mesh \
	check_optim check_other check_out check_safetensors
check_PROGRAMS += $(state_tests)
TESTS += $(state_tests)
EXTRA_DIST += %D%/fixture.h %D%/mesh.h

state_ldadd = libloong_rt.a $(RT_LIBS) $(sem_ldadd)
check_optim_SOURCES = %D%/check_optim.c
check_optim_CPPFLAGS = $(sem_cppflags)
check_optim_LDADD = $(state_ldadd)
check_ckpt_SOURCES = %D%/check_ckpt.c
check_ckpt_CPPFLAGS = $(sem_cppflags)
check_ckpt_LDADD = $(state_ldadd)
check_faults_SOURCES = %D%/check_faults.c
check_faults_CPPFLAGS = $(sem_cppflags)
check_faults_LDADD = $(state_ldadd)
check_safetensors_SOURCES = %D%/check_safetensors.c
check_safetensors_CPPFLAGS = $(sem_cppflags)
check_safetensors_LDADD = $(state_ldadd)
check_other_SOURCES = %D%/check_other.c
check_other_CPPFLAGS = $(sem_cppflags)
check_other_LDADD = $(state_ldadd)
check_out_SOURCES = %D%/check_out.c
check_out_CPPFLAGS = $(sem_cppflags)
check_out_LDADD = $(state_ldadd)
check_box_SOURCES = %D%/check_box.c
check_box_CPPFLAGS = $(sem_cppflags)
check_box_LDADD = $(state_ldadd)
check_mesh_SOURCES = %D%/check_mesh.c
check_mesh_CPPFLAGS = $(sem_cppflags)
check_mesh_LDADD = $(state_ldadd)
check_facts_SOURCES = %D%/check_facts.c
check_facts_CPPFLAGS = $(sem_cppflags)
check_facts_LDADD = $(state_ldadd)
endif
