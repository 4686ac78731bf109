"""What the built-in model is taught to draw: well-drawable things that people ask for, with the words they use.

CLDR's labels alone are not what people type: nobody asks for an "automobile" or a "lady beetle". The first name
after the colon is the one a person would use; the label is added to the names unless it is marked with "!" as one
nobody types.
"""

import re
from dataclasses import dataclass

_LIST = """
red heart: heart, love heart | broken heart: broken heart, heartbreak | star: star | sun!: sun, sunshine
crescent moon: moon, crescent moon | full moon: full moon | tornado: tornado | water wave!: wave, ocean wave
cloud: cloud | rainbow: rainbow | snowflake: snowflake | fire: fire, flame
droplet!: water drop, drop of water, drop | high voltage!: lightning, lightning bolt
grinning face: smiley, happy face, smiling face, smile, face
smiling face with heart-eyes: face with heart eyes, love face, face in love
smiling face with sunglasses!: face with sunglasses, cool face, smiley with sunglasses
loudly crying face: crying face, sad face, tears | enraged face!: angry face, mad face, anger
face with tears of joy!: laughing face, face with tears of joy | clown face: clown, clown face
winking face: winking face, wink | face with tongue: face with tongue, silly face
sleeping face: sleeping face, sleepy face | smiling face with halo!: angel face, angel, face with halo
smiling face with horns!: devil, devil face, demon | cowboy hat face!: cowboy, cowboy face
nerd face: nerd, nerd face | alien monster!: space invader, alien monster | pile of poo!: poop, pile of poo
skull: skull | ghost: ghost | alien: alien | robot: robot | jack-o-lantern: pumpkin, halloween pumpkin
snowman: snowman | cat face: cat, cat face, kitten, kitty | dog face: dog, dog face, puppy | fox: fox, fox face
lion: lion, lion face | tiger face: tiger, tiger face | pig face: pig, pig face | mouse face: mouse, mouse face
rabbit face: rabbit, bunny, rabbit face | bear: bear, bear face | panda: panda, panda face | koala: koala
wolf: wolf, wolf face | raccoon: raccoon | gorilla: gorilla | zebra: zebra | deer: deer | giraffe: giraffe
rhinoceros: rhino, rhinoceros | hippopotamus: hippo, hippopotamus | hamster: hamster | hedgehog: hedgehog
bat: bat | sloth: sloth | kangaroo: kangaroo | goat: goat | ewe!: sheep | camel: camel
horse face: horse, horse face | monkey face: monkey, monkey face | cow face: cow, cow face | unicorn: unicorn
dragon face: dragon, dragon face | frog: frog | front-facing baby chick!: chick, baby chick | penguin: penguin
owl: owl | duck: duck | parrot: parrot | eagle: eagle | swan: swan | flamingo: flamingo | bird: bird
turtle: turtle, tortoise | snake: snake | crocodile: crocodile, alligator | t-rex!: dinosaur, t-rex
spouting whale!: whale | dolphin: dolphin | shark: shark | seal: seal | tropical fish: tropical fish
blowfish: pufferfish, blowfish | spiral shell!: seashell, shell | jellyfish: jellyfish | lobster: lobster
fish: fish | octopus: octopus | crab: crab | snail: snail | butterfly: butterfly | honeybee!: bee, honeybee
lady beetle!: ladybug, ladybird | spider: spider | scorpion: scorpion | elephant: elephant | rose: rose
sunflower: sunflower | tulip: tulip | cherry blossom: cherry blossom, pink flower, flower | hibiscus: hibiscus
bouquet: bouquet, bunch of flowers | potted plant: potted plant, plant | evergreen tree!: pine tree, fir tree
deciduous tree!: tree, leafy tree | palm tree: palm tree | cactus: cactus
four leaf clover!: clover, four leaf clover | maple leaf: maple leaf, autumn leaf
mushroom: mushroom, toadstool | grapes: grapes, bunch of grapes | watermelon: watermelon, slice of watermelon
tangerine: orange fruit, tangerine | lemon: lemon | banana: banana | pineapple: pineapple | pear: pear
peach: peach | red apple: apple | cherries: cherries, cherry | strawberry: strawberry
blueberries: blueberries, blueberry | kiwi fruit: kiwi, kiwi fruit | coconut: coconut | tomato: tomato
eggplant: eggplant, aubergine | avocado: avocado | carrot: carrot | potato: potato | broccoli: broccoli
onion: onion | ear of corn!: corn, corn on the cob | hot pepper!: chili, chili pepper, hot pepper
bread: bread, loaf of bread | croissant: croissant | pretzel: pretzel | pancakes: pancakes | waffle: waffle
bacon: bacon | sandwich: sandwich | cheese wedge!: cheese, piece of cheese | hamburger: burger, hamburger
french fries: fries, french fries | pizza: pizza, slice of pizza | hot dog: hot dog | taco: taco | sushi: sushi
popcorn: popcorn | cooking!: fried egg, egg in a pan | egg: egg | spaghetti: spaghetti, pasta
soft ice cream!: ice cream, ice cream cone | doughnut: donut, doughnut | cookie: cookie | pie: pie
chocolate bar: chocolate, chocolate bar | candy: candy, sweets | honey pot: honey, honey pot
birthday cake: cake, birthday cake | cupcake: cupcake, muffin | lollipop: lollipop
hot beverage!: coffee, cup of coffee, cup of tea | teapot: teapot | glass of milk: milk, glass of milk
bubble tea: bubble tea, boba | beer mug: beer, mug of beer | cocktail glass!: cocktail, martini
wine glass!: wine, glass of wine | automobile!: car | bus: bus | fire engine: fire truck, fire engine
police car: police car | taxi: taxi, cab | ambulance: ambulance | racing car: racing car, race car
motorcycle: motorcycle, motorbike | motor scooter: scooter, motor scooter
delivery truck!: truck, delivery truck | tractor: tractor | bicycle: bicycle, bike
locomotive!: train, steam train, locomotive | airplane: plane, airplane | rocket: rocket, spaceship
sailboat: boat, sailboat | ship: ship | satellite: satellite | helicopter: helicopter
flying saucer!: ufo, flying saucer | house: house, home | castle: castle | tent: tent
ferris wheel: ferris wheel | volcano: volcano | snow-capped mountain!: mountain, snowy mountain
globe showing americas!: earth, planet earth, globe, world | ringed planet!: planet, saturn, planet with rings
christmas tree: christmas tree | umbrella: umbrella | balloon: balloon | wrapped gift!: gift, present, gift box
trophy: trophy, golden cup | soccer ball: soccer ball, football | basketball: basketball | baseball: baseball
american football: american football | boxing glove: boxing glove | bullseye!: target, bullseye, dart board
kite: kite | crystal ball: crystal ball | magic wand: magic wand
video game!: game controller, gamepad, video game | game die!: dice, die | puzzle piece: puzzle piece
artist palette: palette, paint palette, artist palette | guitar: guitar | violin: violin | trumpet: trumpet
drum: drum | musical note: musical note, music note | microphone: microphone | headphone!: headphones | key: key
light bulb: light bulb, lamp | bell: bell, golden bell | crown: crown | gem stone!: diamond, gem
mobile phone!: phone, mobile phone, smartphone | telephone: telephone | camera: camera
laptop: laptop, computer | television: tv, television | alarm clock: clock, alarm clock
watch: watch, wrist watch | hourglass not done!: hourglass | vertical traffic light!: traffic light
blue book!: book | open book: open book | magnifying glass tilted left!: magnifying glass | candle: candle
money bag: money bag, bag of money | envelope: envelope, letter | package!: box, package, parcel
locked!: padlock, lock | hammer: hammer | axe: axe | shield: shield | gear: gear, cogwheel | magnet: magnet
door: door | bed: bed | chair: chair | toilet: toilet | toothbrush: toothbrush | pencil: pencil
scissors: scissors | dagger!: sword, dagger | anchor: anchor | t-shirt: t-shirt, shirt | dress: dress
backpack: backpack | high-heeled shoe!: high heel, high heels | graduation cap: graduation cap
ring: ring, diamond ring | running shoe!: shoe, sneaker, running shoe | top hat: top hat, hat
glasses: glasses, eyeglasses | bomb: bomb | teddy bear: teddy bear
"""


@dataclass(frozen=True, kw_only=True)
class Concept:
    """One thing to draw."""

    label: str  #: CLDR's, which the artwork is joined by
    names: tuple[str, ...]  #: what people type, the usual word first

    @property
    def name(self) -> str:
        """What to call it."""
        return self.names[0]


def _parse(entry: str) -> Concept:
    label, _, words = entry.partition(":")
    names = [word.strip() for word in words.split(",")]
    if not label.endswith("!"):
        names.append(label)
    return Concept(label=label.rstrip("!"), names=tuple(dict.fromkeys(names)))


CONCEPTS = tuple(_parse(entry) for entry in re.split(r" \| |\n", _LIST.strip()))
