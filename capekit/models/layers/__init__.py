"""Small building blocks that several heads share, one idea per file."""

from .decoding import Refinement, decode_heatmaps, require_refinement
from .deconvolution import Deconvolutions
from .deformable_attention import DeformableAttention, sample_levels
from .dynamic_convolution import DynamicDepthwise
from .edge_prediction import EdgePredictor, EdgeStart
from .feature_matching import FeatureMatch, ShotChoice, describe_pixels, describe_points, match_features
from .graph_convolution import GraphConvolutions, Modulation
from .graph_decoder import Graph, GraphDecoder, GraphPlace
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
from .skeleton import MissingEdges, MissingLinks, link_matrix, linked, normalise_rows, powers_of, spanning_tree
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
from .transformer import MLP, FeedForward, PostNormAttention, init_xavier

__all__ = ['Aggregation', 'AttentionStructure', 'ConcatenationStructure', 'Deconvolutions', 'DeformableAttention',
           'DynamicDepthwise', 'EdgePredictor', 'EdgeStart', 'EncoderLayer', 'FeatureMatch', 'FeaturePyramid',
           'FeedForward', 'GlobalStructure', 'Graph', 'GraphConvolutions', 'GraphDecoder', 'GraphPlace', 'JointEncoder',
           'KeypointFeatures', 'MLP', 'Match', 'Matching', 'Miner', 'MissingEdges', 'MissingLinks', 'Modulation',
           'PoseReconstruction', 'PostNormAttention', 'ProposalGenerator', 'Refinement', 'RefinementStage',
           'SamplingSpread', 'ShotChoice', 'SideAttentions', 'SpaceReduction', 'Sparsity', 'Spread',
           'StructureAttention', 'decode_heatmaps', 'describe_pixels', 'describe_points', 'edge_density',
           'gaussian_heatmaps', 'heatmap_pooling', 'heatmap_weight', 'init_xavier', 'inverse_sigmoid', 'link_matrix',
           'linked', 'masked_keys', 'masked_mean', 'masked_softmax', 'match_features', 'normalise_rows', 'powers_of',
           'require_refinement', 'sample_levels', 'seen_by_all', 'shares', 'sine_grid', 'sine_numbers', 'sine_points',
           'spanning_tree', 'sparsity', 'structure_edges']
