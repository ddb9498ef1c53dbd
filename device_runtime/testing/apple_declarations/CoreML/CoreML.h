// Just what src/backend_coreml*.mm use of Core ML; see ../Foundation/Foundation.h.
#pragma once

#import <Foundation/Foundation.h>

#pragma clang assume_nonnull begin

typedef enum : NSInteger {
  MLMultiArrayDataTypeDouble = 0x10000 | 64,
  MLMultiArrayDataTypeFloat32 = 0x10000 | 32,
  MLMultiArrayDataTypeFloat16 = 0x10000 | 16,
  MLMultiArrayDataTypeInt32 = 0x20000 | 32,
  MLMultiArrayDataTypeInt8 = 0x20000 | 8,  // one of those that the core does not know
} MLMultiArrayDataType;

@interface MLMultiArray : NSObject
- (nullable instancetype)initWithDataPointer:(void*)data
                                       shape:(NSArray<NSNumber*>*)shape
                                    dataType:(MLMultiArrayDataType)type
                                     strides:(NSArray<NSNumber*>*)strides
                                 deallocator:(void (^_Nullable)(void* bytes))deallocator
                                       error:(NSError* _Nullable __autoreleasing* _Nullable)error;
- (void)getBytesWithHandler:(void(NS_NOESCAPE ^)(const void* bytes, NSInteger size))handler;
@property(readonly) MLMultiArrayDataType dataType;
@property(readonly) NSArray<NSNumber*>* shape;
@property(readonly) NSArray<NSNumber*>* strides;
@end

@interface MLMultiArrayConstraint : NSObject
@property(readonly) NSArray<NSNumber*>* shape;
@property(readonly) MLMultiArrayDataType dataType;
@end

@interface MLFeatureDescription : NSObject
@property(readonly, nullable) MLMultiArrayConstraint* multiArrayConstraint;
@end

@interface MLModelDescription : NSObject
@property(readonly) NSDictionary<NSString*, MLFeatureDescription*>* inputDescriptionsByName;
@property(readonly) NSDictionary<NSString*, MLFeatureDescription*>* outputDescriptionsByName;
@end

@interface MLFeatureValue : NSObject
+ (instancetype)featureValueWithMultiArray:(MLMultiArray*)array;
@property(readonly, nullable) MLMultiArray* multiArrayValue;
@end

@protocol MLFeatureProvider
- (nullable MLFeatureValue*)featureValueForName:(NSString*)name;
@end

@interface MLDictionaryFeatureProvider : NSObject <MLFeatureProvider>
- (nullable instancetype)initWithDictionary:(NSDictionary<NSString*, id>*)features
                                      error:(NSError* _Nullable __autoreleasing* _Nullable)error;
@end

typedef enum : NSInteger {
  MLComputeUnitsCPUOnly = 0,
  MLComputeUnitsCPUAndGPU = 1,
  MLComputeUnitsAll = 2,
  MLComputeUnitsCPUAndNeuralEngine = 3,
} MLComputeUnits;

@interface MLModelConfiguration : NSObject
@property(readwrite) MLComputeUnits computeUnits;
@property(readwrite, nullable, copy) NSString* functionName
    __attribute__((availability(ios, introduced=18.0)))
    __attribute__((availability(macos, introduced=15.0)));
@end

@interface MLModel : NSObject
+ (nullable NSURL*)compileModelAtURL:(NSURL*)url
                               error:(NSError* _Nullable __autoreleasing* _Nullable)error;
+ (nullable instancetype)modelWithContentsOfURL:(NSURL*)url
                                  configuration:(MLModelConfiguration*)configuration
                                          error:
                                              (NSError* _Nullable __autoreleasing* _Nullable)error;
- (nullable id<MLFeatureProvider>)
    predictionFromFeatures:(id<MLFeatureProvider>)features
                     error:(NSError* _Nullable __autoreleasing* _Nullable)error;
@property(readonly) MLModelDescription* modelDescription;
@end

#pragma clang assume_nonnull end
