"""Small building blocks that several heads share, one idea per file."""

from .decoding import Refinement, decode_heatmaps, require_refinement
from .deconvolution import Deconvolutions
from .deformable_attention import DeformableAttention, sample_levels
from .dynamic_convolution import DynamicDepthwise
from .graph_convolution import GraphConvolutions, Modulation
from .heatmap import gaussian_heatmaps, heatmap_pooling, heatmap_weight
from .joint_encoder import EncoderLayer, JointEncoder
from .keypoint_features import Aggregation, KeypointFeatures
from .masking import masked_mean, masked_softmax
from .matching import Match, Matching
from .mining import Miner, SideAttentions, StructureAttention
from .pose_reconstruction import PoseReconstruction
from .position import inverse_sigmoid, sine_grid, sine_numbers, sine_points
from .proposals import ProposalGenerator
from .pyramid import FeaturePyramid
from .refinement_stage import RefinementStage
from .sampling_spread import SamplingSpread, Spread
from .slots import masked_keys, seen_by_all
from .structure import (
    AttentionStructure,
    ConcatenationStructure,
    GlobalStructure,
    SpaceReduction,
    Sparsity,
    edge_density,
    shares,
    sparsity,
    structure_edges,
)
from .transformer import MLP, FeedForward, PostNormAttention

__all__ = ['Aggregation', 'AttentionStructure', 'ConcatenationStructure', 'Deconvolutions', 'DeformableAttention',
           'DynamicDepthwise', 'EncoderLayer', 'FeaturePyramid', 'FeedForward', 'GlobalStructure', 'GraphConvolutions',
           'JointEncoder', 'KeypointFeatures', 'MLP', 'Match', 'Matching', 'Miner', 'Modulation', 'PoseReconstruction',
           'PostNormAttention', 'ProposalGenerator', 'Refinement', 'RefinementStage', 'SamplingSpread',
           'SideAttentions', 'SpaceReduction', 'Sparsity', 'Spread', 'StructureAttention', 'decode_heatmaps',
           'edge_density', 'gaussian_heatmaps', 'heatmap_pooling', 'heatmap_weight', 'inverse_sigmoid', 'masked_keys',
           'masked_mean', 'masked_softmax', 'require_refinement', 'sample_levels', 'seen_by_all', 'shares',
           'sine_grid', 'sine_numbers', 'sine_points', 'sparsity', 'structure_edges']
