# Train on all super-categories but one, test on that one: a filter on category ids over all categories. The five test
# files hold each of the 100 categories once; list the train files too to train on more instances of them. There is no
# validation: every category that is left either trains or tests.
_base_ = 'mp100-split1_1shot.py'
_files = [f'annotations/mp100_split{split}_test.json' for split in range(1, 6)]
train_dataloader = dict(dataset=dict(ann_file=_files))
test_dataloader = dict(dataset=dict(ann_file=_files))
val_dataloader = None
val_cfg = None
val_evaluator = None
del _files
