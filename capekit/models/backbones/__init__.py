"""Networks of other libraries, wrapped to give a list of feature maps, fine to coarse."""

from .timm_backbone import TimmBackbone

__all__ = ['TimmBackbone']
