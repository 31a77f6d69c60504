#!/bin/bash
# Written by: {{command}}
# The other script submits this one: sbatch {{name}}-workers.sh ADDRESS FOLDER
{{directives}}

{{setup}}
cd {{cwd}} || exit 2
export PATH={{bin}}:"$PATH"
private=$2 # of the certificate
exec ablate worker --slots {{slots}} --scheduler "$1" {{security}}
