_base_ = ['../_base_/models/matching_lite0.py', '../_base_/datasets/mp100.py', '../_base_/default_runtime.py']
