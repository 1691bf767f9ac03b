"""Conduct: whether anybody was contacted who should not have been, over as many timelines as one likes.

An oracle written from the rules alone, timelines that try it, and a run of the customers stage over them.
"""
