"""Words around the things: what `reading.json` says of colours, styles, grounds, and of what nobody misses."""

import re


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: the model's word for a colour, and what else people say for it, in some languages
COLOUR_NAMES = {
    "red": _words(
        "赤 赤い 红 红色 roten czerwony красный красное красная crimson scarlet ruby redd rot rote roter "
        "rotes rouge rouges rojo roja rojos rosso rossa vermelho vermelha"
    ),
    "orange": _words("オレンジ色 橙色 orenge oragne orangen naranja arancione laranja"),
    "yellow": _words(
        "黄色 黄色い gelben gold golden yelow yello gelb gelbe gelber gelbes jaune jaunes amarillo "
        "amarilla giallo gialla amarelo"
    ),
    "green": _words(
        "緑 緑の 绿色 grünen lime emerald gren greeen grün grüne grüner grünes vert verte verts verde verdes"
    ),
    "blue": _words(
        "青 青い 蓝色 blåa синий синяя navy azure cyan turquoise teal bleu bleue bleus blau blaue blauer "
        "blaues blauem blauen azul azules azzurro"
    ),
    "purple": _words(
        "紫 紫色 violet lilac lavender indigo purpel purpul lila violett violette morado morada viola roxo roxa"
    ),
    "pink": _words("ピンク 粉色 magenta fuchsia rosa rosado rosada pinke pinker pinkes"),
    "black": _words(
        "黒 黒い 黑色 svart czarny черный черная ebony schwarz schwarze schwarzer schwarzes schwarzem "
        "noir noire noirs negro negra nero nera preto preta"
    ),
    "white": _words(
        "白 白い 白色 weißen vit biały белый белая ivory weiß weiße weißer weißes weißem blanc blanche "
        "blancs blanco blanca bianco bianca branco branca"
    ),
    "gray": _words("灰色 grey silver grau graue grauer graues grauem gris grigio grigia cinza"),
}
STYLE_NAMES = {
    "3d": ("3 d", "three dimensional", "rendered", "glossy"),
    "flat": ("2d", "2 d", "vector", "flat design"),
    "cartoon": ("cartoonish", "cartoony", "comic", "toon"),
    "retro": ("vintage", "old school", "old fashioned", "oldschool"),
}


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in re.split(r"[,\n]", text) if part.strip())


OTHER_WORDS = {
    "ground": _list("background, backgrounds, backdrop, bg, back ground, hintergrund, fond, fondo, sfondo, fundo"),
    "on": _list("on, on top of, against, in front of, before, over, auf, vor, sur, devant, sobre, su, em"),
    "joins": _list(
        "with, and, next to, beside, behind, under, near, holding, wearing, riding, eating, of, in, at, from, to, by, "
        "plus, or, but, mit, und, neben, avec, et, con, y, com, e"
    ),
    "not": _list("no, not, without, never, except, kein, keine, keinen, ohne, sans, sin, senza, sem"),
    "count": _list(
        "two, three, four, five, six, seven, eight, nine, ten, twelve, hundred, many, several, some more, lots of, "
        "a lot of, a couple of, a few, few, a group of, a pack of, a bunch of, a herd of, a flock of, dozens of, "
        "zwei, drei, deux, trois, dos, tres, due, dois"
    ),
    "minor": _list(
        """
        a, an, the, this, that, these, those, one, some, any, my, your, his, her, our, their, its, it, me, i, you
        we, us
        is, are, be, was, it's, i'd, i'm, there, here, just, only, also, very, really, so, too, quite, more, most, much
        please, pls, plz, hi, hey, hello, thanks, thank you, can you, could you, would you, will you, let's, lets
        want, wants, need, would like, like, love to, see, show, give, make, create, generate, draw, drawing of, paint
        sketch, design, render, produce, do, get, have, has, drawn, painted, made, for
        picture, pictures, photo, photos, photograph, image, images, img, pic, pics, drawing, drawings, painting
        paintings, illustration, icon, icons, emoji, emojis, sticker, stickers, clipart, logo, art, artwork, portrait
        scene, shot, version, kind, type, sort, style, styled, colour, color, coloured, colored, colours, colors
        cute, nice, beautiful, pretty, little, big, large, small, tiny, huge, giant, funny, shiny, simple, lovely, cool
        sweet, happy, single, lone, adorable, amazing, awesome, perfect, great, good, best, fancy, fluffy, fresh, young
        old, new, bright, dark, light, pale, deep, plain, solid, clean, tasty, delicious, friendly, magical, fine, cozy
        baby, wild, real, realistic, smol, lil, silly, gorgeous, elegant, charming, stunning, super, brown, colorful
        highly detailed, detailed, digital, digital art, best quality, quality, high quality, masterpiece, 4k, 8k, hd
        uhd, hq, centered, centred, close up, closeup, trending, artstation, sharp, focus, sharp focus, vivid, minimal
        minimalist, high resolution, resolution, studio, lighting, whole, full, half, body, head, full body
        cup of, mug of, glass of, bowl of, plate of, piece of, slice of, pair of, bunch, pair, set of
        now, today, again, thing, something, somebody, made of, ist, ein, eine, einen, einem, einer, der, das, dem, den
        des, le, la, les, un, une, el, los, las, una, uno, lo, il, gli, i, du, de, del, della, bitte, male, zeichne
        mach, mir, bild, foto, dessine, moi, s'il te plaît, stp, image d', dibuja, dibujo, por favor, imagen, desenho
        desenhe, disegna, un'
        """
    ),
}
#: words that mean one thing in a prompt of nothing else, and are about something else in most
WEAK = {
    "orange fruit": _list("orange, oranges, fruit, apfelsine, naranja"),
    "cat": _list("chat"),
    "dice": _list("die"),
    "smiley": _list("face, smile, smiling, happy"),
    "earth": _list("world, globe"),
    "house": _list("home"),
    "gift": _list("present"),
    "crying face": _list("tears, sad"),
    "angry face": _list("anger, angry, mad"),
    "water drop": _list("drop"),
    "heart": _list("love"),
    "envelope": _list("letter"),
    "gear": _list("cog"),
    "light bulb": _list("lamp, bulb"),
    "egg": _list("eggs"),
    "box": _list("package"),
    "sleeping face": _list("sleepy, sleeping"),
    "winking face": _list("wink, winking"),
    "fire": _list("flames"),
}
#: names beside those that captions use
ALSO = {
    "heart": _list("hart, hearts, valentine"),
    "smiley": _list("smiley face, happy smiley, emoticon, grinning face, grin"),
    "face with heart eyes": _list("heart eyes"),
    "laughing face": _list("laughing, lol, laughing smiley"),
    "star": _list("starr"),
    "sun": _list("sunny"),
    "lightning": _list("thunderbolt, thunder"),
    "mouse": _list("mice, mouses"),
    "rabbit": _list("bunny rabbit, hare"),
    "goat": _list("billy goat"),
    "sheep": _list("lamb, ewe, sheeps"),
    "horse": _list("pony, horsey"),
    "cow": _list("cattle"),
    "pig": _list("piggy, piglet"),
    "dog": _list("doggy, doggie, doggo, pup, hound"),
    "cat": _list("kitteh, pussycat, feline"),
    "chick": _list("chicken chick"),
    "dinosaur": _list("dino, tyrannosaurus, trex"),
    "whale": _list("whales"),
    "seashell": _list("sea shell, spiral shell"),
    "bee": _list("bumblebee, bumble bee"),
    "tree": _list("oak tree, oak"),
    "pine tree": _list("pine, evergreen, spruce"),
    "christmas tree": _list("xmas tree"),
    "clover": _list("shamrock"),
    "burger": _list("cheeseburger, burgers"),
    "fries": _list("chips, french fry"),
    "donut": _list("donuts, doughnuts"),
    "cookie": _list("biscuit"),
    "cake": _list("bday cake"),
    "spaghetti": _list("noodles"),
    "coffee": _list("tea, hot coffee, coffee cup, espresso, cappuccino"),
    "beer": _list("pint of beer"),
    "wine": _list("glass of red wine"),
    "chili": _list("chilli, chilli pepper, pepper"),
    "corn": _list("maize"),
    "car": _list("automobile, motorcar, auto"),
    "truck": _list("lorry"),
    "police car": _list("cop car"),
    "racing car": _list("formula one car, f1 car"),
    "bicycle": _list("push bike, cycle"),
    "plane": _list("aeroplane, jet, aircraft"),
    "rocket": _list("space ship, space rocket, rocket ship"),
    "boat": _list("sailing boat, sail boat, yacht"),
    "ufo": _list("flying saucer"),
    "phone": _list("cell phone, cellphone, iphone"),
    "laptop": _list("notebook computer, pc"),
    "tv": _list("telly, television set"),
    "soccer ball": _list("soccer, foot ball"),
    "game controller": _list("controller, joypad, joystick"),
    "musical note": _list("music, note"),
    "headphones": _list("headset, earphones"),
    "diamond": _list("jewel, gemstone, gem stone"),
    "book": _list("books"),
    "box": _list("cardboard box"),
    "sword": _list("blade"),
    "t-shirt": _list("tshirt, tee shirt, tee"),
    "shoe": _list("sneakers, trainers, shoes"),
    "top hat": _list("hats"),
    "glasses": _list("spectacles"),
    "teddy bear": _list("teddy"),
    "toothbrush": _list("tooth brush"),
    "pumpkin": _list("jack o lantern"),
    "poop": _list("poo, turd"),
    "ghost": _list("spooky ghost, spirit"),
    "snowman": _list("snow man"),
    "crown": _list("tiara"),
    "trophy": _list("prize cup"),
    "target": _list("bulls eye"),
    "fried egg": _list("fried eggs"),
    "sunflower": _list("sun flower"),
    "ladybug": _list("lady bug, ladybeetle"),
    "butterfly": _list("butterflys"),
    "ice cream": _list("icecream cone, gelato, soft serve"),
    "tornado": _list("twister, whirlwind"),
    "bomb": _list("dynamite"),
    "crocodile": _list("croc, gator"),
    "hippo": _list("hippopotamuses"),
    "magnifying glass": _list("magnifier"),
}
#: labels of CLDR that mean something else to people
NOT_NAMES = frozenset({"cooking", "locked", "package", "blue book", "globe showing americas"})
EMOTICONS = {"<3": "heart", ":)": "smiley", ":-)": "smiley", ":D": "smiley", ":(": "crying face", ";)": "winking face"}
