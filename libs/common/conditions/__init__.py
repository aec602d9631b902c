"""What a rule may ask in, whether it can be asked out: kinds, facts, templates and the language. Pure.

Who sends alerts and who takes rules must refuse the same; `language` alone needs the library of conditions.
"""
