"""How the host samples with a model, by the kinds that it has for it."""


class EPS:
    zsnr = False


class V_PREDICTION(EPS):
    pass


class EDM(V_PREDICTION):
    pass


class X0(EPS):
    pass


class CONST:
    pass
